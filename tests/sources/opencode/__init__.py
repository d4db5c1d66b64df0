"""OpenCode and Kilo."""
