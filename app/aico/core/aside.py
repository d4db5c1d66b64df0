"""Runs work that needs only the interpreter: on the spot, or in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SMALL = 500
"""So few items take a millisecond or two, and most often it is one: to change threads twice would take longer."""


async def work_aside(count: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns; with more than a few items it is done in a thread, for the event loop's sake."""
    if count <= SMALL:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
