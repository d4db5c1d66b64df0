"""Budgets: their periods, and what of them is reached. Pure."""
