"""Frozen values that every room speaks in; made of the standard library only."""
