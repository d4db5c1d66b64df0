"""The house itself: documents complete, locks clean, imports without side effects."""
