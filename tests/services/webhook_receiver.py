"""A receiver of webhooks on a real socket, with or without TLS; it notes every call, and answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tests.services.skipped_time import skip_time

Answer: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Call(NamedTuple):
    """One request."""

    line: str
    headers: dict[str, str]
    """By name in small letters."""
    body: bytes


class Receiver:
    """The calls so far, and the answer from now on."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.port = 0
        self._news = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the one request of a connection."""
        try:
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            async with self._news:
                self.calls.append(Call(line, headers, body))
                self._news.notify_all()
            await self.answer(writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def until_called(self, count: int) -> list[Call]:
        """Return the calls once there are ``count`` of them."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.calls) >= count)
        return self.calls


@asynccontextmanager
async def webhook_receiver(answer: Answer, *, certificates: Path | None = None) -> AsyncIterator[Receiver]:
    """Receive calls until the block ends: with TLS where ``certificates`` are given."""
    receiver = Receiver(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        await asyncio.wait({task})

    context = None
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


def saying(status: int, header: str = "X-Kind: test") -> Answer:
    """Answer with ``status`` and no body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Word\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    return answer


async def silent(_writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def silent_for(seconds: float) -> Answer:
    """Never answer; that much time has passed when the caller was heard."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        skip_time(seconds)
        await silent(writer)

    return answer


async def hanging_up(writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()
