"""Hub, shared imports, watcher and notifications, against the real file system."""
