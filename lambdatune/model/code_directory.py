"""What a directory with a function's code holds besides it."""

from __future__ import annotations

LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".ruff_cache"})
"""Names of directories that are no part of a function, at any depth."""
