"""Amazon SQS: standard and FIFO queues in memory, over the JSON protocol (AWS API reference, SQS)."""
