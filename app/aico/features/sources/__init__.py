"""The tools whose usage is read: a folder each, and one line each in the registry."""
