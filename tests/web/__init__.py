"""Tests of the dashboard's files that need no browser."""
