"""What users feel, measured beside a yardstick in the same process."""
