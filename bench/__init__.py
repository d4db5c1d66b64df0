"""Measures the times that users feel, beside a yardstick in the same process."""
