"""The sources, each by itself and all by one contract."""
