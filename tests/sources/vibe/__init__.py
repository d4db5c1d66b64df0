"""Mistral Vibe: the totals of its sessions, and the reader of files that name others."""
