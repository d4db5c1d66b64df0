"""Cline as a second process: writes a made-up ledger in all of Cline's ways. Needs only the standard library."""
