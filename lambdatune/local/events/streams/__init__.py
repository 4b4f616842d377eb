"""What Kinesis and DynamoDB streams have in common: shards of records in order, and iterators over them."""
