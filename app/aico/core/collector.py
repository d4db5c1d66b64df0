"""Keeps Python's cyclic garbage collector from looking again and again at many objects that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY_OBJECTS = 5_000
"""New objects that are worth never to be looked at again."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let nothing be collected in the block; not to be nested. Reference counts free what is let go meanwhile.

    An import of a ledger makes hundreds of thousands of tuples, no cycles. The collector would go through them dozens
    of times, a third of the whole time, and each time hold up every thread. What a large import leaves is what is known
    of the database, and that stays: it is frozen, because going through it would hold up everything later. What a
    failed one leaves is garbage. The same holds for the modules of libraries.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if gc.get_count()[0] > MANY_OBJECTS:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
