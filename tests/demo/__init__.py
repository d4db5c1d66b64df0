"""Tests of the made-up ledger and of the emulator that writes it."""
