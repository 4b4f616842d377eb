"""Event source mappings: pollers that read queues and streams, and invoke a function with batches of what they read."""
