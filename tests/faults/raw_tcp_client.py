"""A client without manners: it sends what it is told, byte for byte, and reads what comes until the end."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.api.answer_checks import SECURITY_HEADERS

HANG_S = 60.0
"""A step that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One answer as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem document; fails unless it is one, with every security header."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert {name: self.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert self.headers["cache-control"] == "no-store"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return str(problem["code"])


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send without waiting for anything; a connection that is gone takes it without a word."""
        self.writer.write(data)

    async def read_answer(self) -> WireAnswer:
        """Return the next answer. It must come whole."""
        async with asyncio.timeout(HANG_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return WireAnswer(int(first.split()[1]), headers, body)

    async def read_rest(self) -> bytes:
        """Return everything until the server has hung up, however it did."""
        rest = bytearray()
        try:
            async with asyncio.timeout(HANG_S):
                while piece := await self.reader.read(65_536):
                    rest += piece
        except ConnectionError:
            pass
        return bytes(rest)

    async def is_ended(self, within_s: float) -> bool:
        """Return whether the server hangs up, or says something, within a moment."""
        try:
            async with asyncio.timeout(within_s):
                await self.reader.read(1)
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    async def close(self) -> None:
        """Hang up without a goodbye."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def wire(port: int, *, narrow: bool = False) -> AsyncIterator[Wire]:
    """Connect until the block ends. A ``narrow`` connection takes a few kilobytes and then no more until it is read."""
    connection = await open_wire(port, narrow=narrow)
    try:
        yield connection
    finally:
        await connection.close()


async def open_wire(port: int, *, narrow: bool = False) -> Wire:
    """Connect; the caller closes."""
    sock = socket.socket()
    if narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    async with asyncio.timeout(HANG_S):
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4_096 if narrow else 65_536)
    return Wire(reader, writer)


def get(target: str, authority: str, *lines: str, method: str = "GET") -> bytes:
    """Return a request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {authority}", *lines, "", ""]).encode("latin-1")


def ask_for_socket(authority: str, *lines: str, key: str = "dGhlIHNhbXBsZSBub25jZQ==", version: str = "13") -> bytes:
    """Return the handshake of a WebSocket."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Version: {version}")
    return get("/ws", authority, *upgrade, f"Sec-WebSocket-Key: {key}", *lines)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return one masked frame of a client, with a payload below 126 bytes."""
    return bytes([(0x80 if fin else 0) | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def until(wish: Callable[[], bool]) -> None:
    """Return as soon as ``wish`` comes true; each look lets the server go on."""
    async with asyncio.timeout(HANG_S):
        while not wish():  # noqa: ASYNC110  # what is inside the server tells nobody when it changes
            await asyncio.sleep(0.01)
