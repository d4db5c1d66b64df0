"""A made-up ledger for the demonstration, the tests and the benchmark."""
