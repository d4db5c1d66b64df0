"""The price of inference in the US alone, which the price list does not know. Pure.

Source: Anthropic's price page, "Data residency pricing", November 2026. It costs 1.1 times the price of all kinds of
tokens on Claude Opus 4.6, Sonnet 4.6 and newer models, on top of the prices of fast mode and of batches. Earlier models
keep their prices. It is said of Anthropic's own API; other sellers have prices of their own for their regions.
"""

from __future__ import annotations

import re
from fractions import Fraction

from aico.core.usage import REGION
from aico.features.pricing.names import Entry

US = f"{REGION}us"
"""The word of a request's context."""
_SELLER = "anthropic"
_FIRST = (4, 6)
_PLAIN, _DEARER = Fraction(1), Fraction(11, 10)
_OLD_NAME = re.compile(r"claude-(?:v?[1-3](?:\D.*)?|instant(?:-.*)?)")
"""The names up to Claude 3.7: the version stands before the rest."""
_NAME = re.compile(r"claude-[a-z]+-(\d{1,2})(?:-(\d{1,2}))?")


def find_us_factor(entry: Entry) -> Fraction | None:
    """Return the factor of the prices of ``entry`` for inference in the US alone; None if it is not known."""
    if entry.seller.id != _SELLER:
        return None
    if _OLD_NAME.fullmatch(entry.model.id):
        return _PLAIN
    found = _NAME.fullmatch(entry.model.id)
    if found is None:
        return None
    return _DEARER if (int(found[1]), int(found[2] or 0)) >= _FIRST else _PLAIN
