"""Bundled material: sample functions and run profiles."""
