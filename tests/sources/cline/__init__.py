"""Tests of Cline as a source."""
