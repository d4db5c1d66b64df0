"""A made-up ledger and made-up logs for the demonstration, the tests and the benchmark."""
