"""Everything that leaves the process: HTTP clients. Off unless configured."""
