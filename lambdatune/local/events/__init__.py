"""Event sources: what invokes functions without waiting for their answer, and the services that messages come from."""
