"""Cline: its ledger, its session store and the events of its hub."""
