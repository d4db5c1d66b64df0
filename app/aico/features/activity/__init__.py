"""What of a person's use of apps, commands and sites is seen: names from a list, times and counts."""
