"""Domain values, events, errors, settings and storage. Imports nothing from the layers above it."""
