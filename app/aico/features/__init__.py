"""Work that is done once and has an end: guard, read, parse, diff, import; aggregate; export."""
