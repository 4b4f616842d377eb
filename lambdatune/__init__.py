"""The cheapest memory size of a Lambda function that meets your latency target, with the evidence to believe it."""

__version__ = "0.1.0"
