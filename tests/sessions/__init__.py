"""The session store: read without a trace, by a child that lets no conversation out, into the ledger's own accounts."""
