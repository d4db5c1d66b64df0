"""What the stores of one source have in common: finding a file without links, the diff, the runs that write it."""
