"""Which size to try next, and what to advise."""
