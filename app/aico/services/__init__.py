"""What lives and waits: watcher, single-flight import, hub, read models."""
