"""Numbers with their nouns, in whatever is printed, logged or answered. Pure."""

from __future__ import annotations


def describe_count(count: object, noun: str) -> str:
    """Return ``count`` of ``noun``, whose plural ends in ``s``, or in ``ies`` after a consonant and ``y``."""
    has_ies = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    plural = f"{noun[:-1]}ies" if has_ies else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
