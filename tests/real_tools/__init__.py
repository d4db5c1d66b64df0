"""Scripts that drive real tools against fake services on loopback. No tests: they need the tools."""
