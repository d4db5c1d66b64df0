"""The parts that live and wait: watcher, single-flight import, hub, read models."""
