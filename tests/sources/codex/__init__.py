"""Codex's rollouts: what is read of them, and what is not."""
