"""Runs the child that asks a foreign database, within limits, and takes its output."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import msgspec

from aico.features.files.opening import Refused
from aico.features.files.sqlite_question import Cell, Question

TIME_LIMIT_S = 30.0
OUTPUT_MAX_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 16
# In isolated mode the child knows the standard library alone.
_CODE = "import sys; sys.path += sys.argv[1:]; from aico.features.files.sqlite_child import main; main()"
# Nothing of our environment is its business, but where a shared library of Python lies.
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Row: TypeAlias = "list[Cell]"


class _Answer(msgspec.Struct):
    rows: list[Row] | None = None
    code: str = "unreadable"
    reason: str = ""
    missing: tuple[str, ...] = ()


_DECODER = msgspec.json.Decoder(_Answer)


async def ask_database(question: Question) -> list[Row]:
    """Return the rows of the answer.

    Raises Refused. The child is killed when it takes longer or says more than it may, or the caller is cancelled;
    nothing of it outlives this call. Any other exception is a bug.
    """
    output = await _run(msgspec.json.encode(question), min(question.max_bytes, OUTPUT_MAX_BYTES))
    try:
        answer = _DECODER.decode(output)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not chained: it could quote the output.
        answer = _Answer(reason="the reading process ended early")
    if answer.rows is None:
        raise Refused(answer.code, answer.reason, answer.missing)
    return answer.rows


@cache
def find_packages() -> tuple[str, ...]:
    """Return the folders that the child imports from: ours, and the one that holds ``apsw``, which stays unloaded."""
    spec = find_spec("apsw")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("apsw is not installed")
    return tuple(dict.fromkeys((str(Path(__file__).parents[3]), str(Path(spec.origin).parents[1]))))


def find_cpu_s() -> float:
    """Return the processor time of all children that have ended, seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _run(question: bytes, max_bytes: int) -> bytes:
    """Return the output of the child. Raises Refused."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-B", "-c", _CODE, *find_packages()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            start_new_session=True,  # Ctrl-C is for the service: it lets running children end
        )
    except OSError as error:
        raise Refused("unreadable", f"the reading process did not start ({type(error).__name__})") from error
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            output = await _converse(process, question, max_bytes)
            await process.wait()
    except TimeoutError as error:
        raise Refused("unreadable", "the reading process took too long") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await asyncio.shield(_bury(process))
    return output


async def _bury(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a child. It counts as running as long as something that it has said is unread."""
    while process.stdout is not None and await process.stdout.read(_CHUNK):
        pass
    await process.wait()


async def _converse(process: asyncio.subprocess.Process, question: bytes, max_bytes: int) -> bytes:
    """Ask, and return the answer. The child counts its rows itself; this holds should it not."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the child's input and output are pipes")
    process.stdin.write(question)
    process.stdin.close()
    output = bytearray()
    while chunk := await process.stdout.read(_CHUNK):
        output += chunk
        if len(output) > max_bytes + _CHUNK:
            raise Refused("too_large", str(len(output)))
    return bytes(output)
