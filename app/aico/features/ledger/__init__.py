"""Cline's ledger, from the allowlisted path to the domain values."""
