"""Orders of modes whose answers do not tell of the execution: it is read from the log, and joined to what was sent."""
