"""The database: its tables, one writer, readers, and its upkeep."""
