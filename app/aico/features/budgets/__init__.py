"""Budgets: their periods, and the thresholds that are reached. Pure."""
