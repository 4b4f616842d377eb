"""Event source mappings: pollers that take messages from a queue and invoke a function with batches of them."""
