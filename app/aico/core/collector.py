"""Keeps Python's cyclic garbage collector from looking again and again at many objects that stay."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MANY_OBJECTS = 5_000
"""New objects that are worth never to be looked at again."""


_turn = threading.Lock()
_paused = 0
"""How many blocks are under way; the first one to come found the collector on or off."""
_was_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let nothing be collected in the block, which others may overlap. Reference counts free what is let go meanwhile.

    An import of a ledger makes hundreds of thousands of tuples, no cycles. The collector would go through them dozens
    of times, a third of the whole time, and each time hold up every thread. The objects that a large import leaves
    are the known state of the database, and they stay. So they are frozen: going through them would hold up everything
    later. The objects that a failed one leaves are garbage. The same holds for the modules of libraries.
    """
    global _paused, _was_enabled  # noqa: PLW0603  # so is the collector
    with _turn:
        if not _paused:
            _was_enabled = gc.isenabled()
            gc.disable()
        _paused += 1
    try:
        yield
        if gc.get_count()[0] > MANY_OBJECTS:
            gc.freeze()
    finally:
        with _turn:
            _paused -= 1
            if not _paused and _was_enabled:
                gc.enable()
