"""Metrics out: what a collector is told, over restarts and faults of every kind."""
