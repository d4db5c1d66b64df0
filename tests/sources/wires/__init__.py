"""Tools that append lines to one file for each session or agent: Kimi CLI, Kimi Code, pi."""
