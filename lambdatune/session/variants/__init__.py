"""Several variants measured as one: each is a run of its own, and their orders take turns."""
