"""The database: its tables, one writer, readers, and what keeps it well."""
