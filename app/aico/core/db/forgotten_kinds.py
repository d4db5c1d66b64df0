"""Kinds of forgotten keys that no event has. Apart from keys: a command that only asks makes no digest."""

from __future__ import annotations

UNMEASURED_REQUEST = 3
"""A kind of forgotten keys only: says of a forgotten request, beside its own row, that nothing of it was measured."""

LATER_USE = 4
"""A kind of forgotten keys only: the halves name a forgotten session, and a request that came to it after that.

The second one is 0 for usage that its tool writes as totals, without requests.
"""
