"""Tests that look at the service from outside with tools of the system: run by ``make test-system``, on Linux."""
