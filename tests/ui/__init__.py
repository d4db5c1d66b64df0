"""Tests of the dashboard in a real browser against the real service. A pytest run of their own."""
