"""DynamoDB tables and their streams."""
