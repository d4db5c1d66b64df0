"""Chooses the variant of a test that a quick run does: the others are as slow as they are many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def first_is_quick(*values: T) -> Sequence[object]:
    """Return the values of one name for ``parametrize``, all but the first one marked as slow."""
    return [values[0], *(pytest.param(value, marks=pytest.mark.slow) for value in values[1:])]


def first_row_is_quick(*rows: tuple[object, ...]) -> Sequence[object]:
    """Return the rows of several names for ``parametrize``, all but the first one marked as slow."""
    return [rows[0], *(pytest.param(*row, marks=pytest.mark.slow) for row in rows[1:])]
