"""The screens: an interactive surface over recorded runs (Textual)."""
