"""Kimi Proxies on real sockets: well, slow, refusing, endless. Each keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from tests.services.skipped_time import skip_time

Answer: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


class KimiProxyServer:
    """A proxy that keeps the heads of its requests, and the number of their connections."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.connection_count = 0
        self.asked = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request of one connection."""
        self.connection_count += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                self.asked.set()
                await self.answer(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has had enough
        finally:
            writer.close()


@asynccontextmanager
async def kimi_proxy(answer: Answer) -> AsyncIterator[KimiProxyServer]:
    """Serve a proxy that answers by ``answer`` until the block ends."""
    proxy = KimiProxyServer(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        await asyncio.wait({task})

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


def saying(status: int, body: bytes = b'{"status": "ok"}', header: str = "X-Kind: test") -> Answer:
    """Answer with ``status`` and a whole body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Word\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


async def never(_writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    await asyncio.Event().wait()


def silent_for(seconds: float) -> Answer:
    """Say nothing; that much time has passed when the caller was heard."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        skip_time(seconds)
        await never(writer)

    return answer


def dripping(seconds: float) -> Answer:
    """Begin an answer and send a byte of it every so many seconds: no step of it is slow, only the whole."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)
            skip_time(seconds)

    return answer


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer well, and never come to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


async def babbling(writer: asyncio.StreamWriter) -> None:
    """Say something that is no HTTP."""
    writer.write(b"+OK here is a mail server\r\n\r\n")


async def hanging_up(writer: asyncio.StreamWriter) -> None:
    """Say nothing and close."""
    writer.close()
