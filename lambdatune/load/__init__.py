"""The load driver: pacers, an HTTP/1.1 client of its own, load processes (shards), and invocation rows."""
