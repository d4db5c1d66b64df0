"""Lets the time of the running loop be past a limit at a moment that a test chooses, however slow the machine is."""

from __future__ import annotations

import asyncio


def skip_time(seconds: float) -> None:
    """Let the running loop take it that ``seconds`` have passed: what waits for less is over."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]  # until the loop ends
