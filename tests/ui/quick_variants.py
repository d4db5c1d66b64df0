"""Chooses the variant of a test that a quick run does: the others are as slow as they are many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
_SLOW = pytest.mark.slow


def first_is_quick(*variants: T) -> Sequence[object]:
    """Return the variants for ``parametrize``, all but the first one marked as slow. A tuple is one for many names."""
    first, *others = variants
    listed = [one if isinstance(one, tuple) else (one,) for one in others]
    return [first, *(pytest.param(*values, marks=_SLOW) for values in listed)]
