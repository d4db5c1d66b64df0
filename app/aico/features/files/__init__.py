"""Reading of foreign files: the only rooms that open any, without a link, within bounds, read-only."""
