"""Amazon S3: small objects in memory, and notifications of functions (AWS API reference, S3)."""
