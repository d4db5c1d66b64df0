"""Faults on purpose, in the file, the database, the network and the process, and what must be true all the same."""
