"""Cline as a source."""
