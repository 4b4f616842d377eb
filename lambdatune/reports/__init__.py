"""Renderers of one run's result, one file each: a function from RunResult to text."""
