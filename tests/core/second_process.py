"""A second, real process that does one thing until it is told to end."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_TAIL = "\nprint('ready', flush=True)\nimport sys; sys.stdin.read()"


@asynccontextmanager
async def second_process(code: str, *arguments: str) -> AsyncIterator[Process]:
    """Run ``code`` (``sys.argv[1:]`` are ``arguments``), yield when it has run, end the process with the block."""
    # It is no part of what is measured, and starts in a fraction of the time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = (sys.executable, "-c", code + _TAIL, *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        await process.wait()
