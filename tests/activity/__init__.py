"""Tests of activity: definitions, sums, processes, screens, shells."""
