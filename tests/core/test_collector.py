"""The collector's pause: what a large import leaves is frozen, what a failed one leaves is not."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from aico.core.collector import MANY_OBJECTS, collector_paused


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """Give the collector back what a test has frozen."""
    frozen = gc.get_freeze_count()
    yield
    if gc.get_freeze_count() != frozen:
        gc.unfreeze()


def make_many() -> list[tuple[int, ...]]:
    """Return more new objects than are worth looking at again.

    Far more: Python takes up to two thousand pairs from those that were let go before, and does not count them as new.
    """
    return [(number, number) for number in range(2 * MANY_OBJECTS)]


def fail_after(_made: list[tuple[int, ...]]) -> None:
    """Fail as a full disk does."""
    raise OSError("full")


def test_collector_freezes_what_a_large_import_leaves() -> None:
    """Many tuples that stay are taken out of every later pass, and the collector runs again afterwards."""
    before = gc.get_freeze_count()
    with collector_paused():
        assert not gc.isenabled()
        kept = make_many()
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(kept)


def test_collector_freezes_nothing_of_a_failure() -> None:
    """A failed import leaves garbage, and one may fail every two seconds for a month."""
    before = gc.get_freeze_count()
    with pytest.raises(OSError, match="full"), collector_paused():
        fail_after(make_many())
    assert gc.isenabled()
    assert gc.get_freeze_count() == before
