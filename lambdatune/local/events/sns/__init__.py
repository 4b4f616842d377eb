"""Amazon SNS: standard topics with Lambda and SQS subscriptions (AWS API reference, SNS)."""
