"""Textual widgets that draw the charts, and the table of sizes."""
