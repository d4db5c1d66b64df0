"""The ledger package: from the allowlisted path to committed rows."""
