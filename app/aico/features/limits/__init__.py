"""Limits: blocks of five hours, and when a limit is reached. Pure."""
