"""What the commands make of the answers of the service that holds the lock, and how they call themselves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aico.cli import command_name, imports
from aico.core.errors import ServiceUnreachable
from aico.proxy.running_service import RunningService


@asynccontextmanager
async def answering(body: bytes, status: int = 200) -> AsyncIterator[RunningService]:
    """Stand in for a process that answers every request with ``body``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield RunningService(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
async def test_answer_of_a_stranger_is_no_answer(body: bytes) -> None:
    """Something else at the service's address is told as a service that does not answer."""
    async with answering(body) as service:
        with pytest.raises(ServiceUnreachable):
            await service.get_status()


async def test_receipt_of_the_service_is_handed_on() -> None:
    """What the service answers is the receipt of the command."""
    async with answering(b'{"imported_count": 2}') as service:
        assert await service.import_ledger() == {"imported_count": 2}


def test_sentence_says_that_the_service_goes_on() -> None:
    """A receipt with a remainder comes from a service, which goes on by itself."""
    fields: dict[str, object] = {"imported_count": 3, "added_count": 1, "skipped_count": 0}
    text = imports._sentence({**fields, "error_count": 0, "remaining_count": 4}, dry_run=False)
    assert text == "Imported 3 tasks (1 new), 0 unchanged; the service goes on with 4 more."


@pytest.mark.parametrize("on_path", [True, False])
def test_command_calls_itself_as_the_user_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on_path: bool
) -> None:
    """A hint names the program by the words that start it from where the user is."""
    program = tmp_path / "aico"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path) if on_path else "")
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert command_name() == ("aico" if on_path else str(program))
