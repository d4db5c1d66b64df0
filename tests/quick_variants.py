"""Chooses the variant of a test that a quick run does: the others are as slow as they are many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
FURTHER = (pytest.mark.slow, pytest.mark.variant)
"""A further variant is slow; in the browser only `make test-slow` plays it, and not `make check`."""


def first_is_quick(*values: T) -> Sequence[object]:
    """Return the values of one name for ``parametrize``, all but the first one marked as slow variants."""
    return [values[0], *(pytest.param(value, marks=FURTHER) for value in values[1:])]


def first_row_is_quick(*rows: tuple[object, ...]) -> Sequence[object]:
    """Return the rows of several names for ``parametrize``, all but the first one marked as slow variants."""
    return [rows[0], *(pytest.param(*row, marks=FURTHER) for row in rows[1:])]
