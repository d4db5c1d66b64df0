"""A page's end of the socket: receives everything, holds the rows that it was told of, checks every revision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aico.services.shapes import SessionItemOut
from aico.services.task_shapes import UsageItem
from tests.emulator.ledger_truth import Task

HANG_S = 60.0


class Listener:
    """One connection. ``received`` grows while the block runs."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[str] = []
        """Every frame as it came."""
        self.received: list[dict[str, object]] = []
        """Every message."""
        self.tasks: dict[str, Task] = {}
        """The tasks by the old rows so far."""
        self.sessions: dict[str, SessionItemOut] = {}
        """The sessions by the rows for all sources."""
        self.closed: ConnectionClosed | None = None
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Receive until the connection ends."""
        try:
            async for frame in self.connection:
                await self._take(str(frame))
            await self.connection.recv()  # says how it ended
        except ConnectionClosed as closed:
            self.closed = closed
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[Listener], bool]) -> None:
        """Return as soon as what was received is as ``wanted``."""
        async with asyncio.timeout(HANG_S), self._news:
            await self._news.wait_for(lambda: wanted(self) or self.closed is not None)
        assert wanted(self), f"the connection ended before: {self.closed}"

    async def until_kind(self, kind: str) -> dict[str, object]:
        """Return the first message of ``kind``."""
        await self.until(lambda listener: bool(listener.of_kind(kind)))
        return self.of_kind(kind)[0]

    async def until_closed(self) -> int:
        """Return the code with which the server closed the connection."""
        async with asyncio.timeout(HANG_S), self._news:
            await self._news.wait_for(lambda: self.closed is not None)
        return 0 if self.closed is None or self.closed.rcvd is None else self.closed.rcvd.code

    def of_kind(self, kind: str) -> list[dict[str, object]]:
        """Return the messages of ``kind`` so far."""
        return [message for message in self.received if message["type"] == kind]

    @property
    def revisions(self) -> list[object]:
        """The revisions of the committed changes so far."""
        return [message["revision"] for message in self.of_kind("cline_usage_updated")]

    async def _take(self, frame: str) -> None:
        message = json.loads(frame)
        async with self._news:
            self.frames.append(frame)
            self.received.append(message)
            if message["type"] == "usage_updated":
                self.sessions |= {row.session_id: row for row in map(SessionItemOut.model_validate, message["rows"])}
            for fields in message["rows"] if message["type"] == "cline_usage_updated" else []:
                row = UsageItem.model_validate(fields)
                numbers = (row.task_id, row.ts, row.model_id, row.tokens_in, row.tokens_out, row.total_cost)
                self.tasks[row.task_id] = Task(*numbers)
            self._news.notify_all()


@asynccontextmanager
async def listening(url: str, query: str = "", *, headers: dict[str, str] | None = None) -> AsyncIterator[Listener]:
    """Listen to the socket at ``url`` until the block ends."""
    async with connect(
        url + query,
        max_size=None,
        proxy=None,
        additional_headers=headers,
        open_timeout=HANG_S,
        ping_timeout=None,
    ) as connection:
        listener = Listener(connection)
        task = asyncio.create_task(listener.run())
        try:
            yield listener
        finally:
            await connection.close()
            await task
