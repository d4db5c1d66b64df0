"""A person's use of apps, commands and sites, as far as it is seen: names from a list, times and counts."""
