"""The rooms that open foreign files."""
