"""Runs the child that reads the session store, within limits, and takes what it prints."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from aico.core.errors import SessionsUnreadable
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.shapes import Cell

TIME_LIMIT_S = 30.0
OUTPUT_MAX_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 16
_ROOT = Path(__file__).parents[3]
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from aico.features.sessions.child import main; main(sys.argv[2:])"
# Nothing of our environment is its business, but where a shared library of Python lies.
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class _Answer(msgspec.Struct):
    rows: list[list[Cell]] | None = None
    code: str = "unreadable"
    reason: str = ""
    missing: tuple[str, ...] = ()


_DECODER = msgspec.json.Decoder(_Answer)


async def read_sessions(guard: SessionsGuard, since: str) -> list[list[Cell]]:
    """Return the rows of the sessions changed at ``since`` (ISO 8601 as the store writes it) or later.

    Raises SessionsError. The child is killed when it takes longer or says more than it may, or the caller is
    cancelled; nothing of it outlives this call. Any other exception is a bug.
    """
    output = await _run(guard.path, str(guard.max_bytes), since)
    try:
        answer = _DECODER.decode(output)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not chained: it could quote what was printed.
        answer = _Answer(reason="the reading process ended early")
    if answer.rows is None:
        raise guard.error_of(answer.code, answer.reason, answer.missing)
    return answer.rows


async def _run(*arguments: str) -> bytes:
    """Return what the child prints. Raises SessionsUnreadable."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-B", "-c", _CODE, str(_ROOT), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            start_new_session=True,  # Ctrl-C is for the service: it lets what runs end
        )
    except OSError as error:
        raise SessionsUnreadable(f"the reading process did not start ({type(error).__name__})") from error
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            output = await _collect(process)
            await process.wait()
    except TimeoutError as error:
        raise SessionsUnreadable("the reading process took too long") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
    return output


async def _collect(process: asyncio.subprocess.Process) -> bytes:
    output = bytearray()
    if process.stdout is None:
        raise RuntimeError("the child's output is a pipe")
    while chunk := await process.stdout.read(_CHUNK):
        output += chunk
        if len(output) > OUTPUT_MAX_BYTES:
            raise SessionsUnreadable("the reading process said more than it may")
    return bytes(output)
