"""Plans: their billing periods. Pure."""
