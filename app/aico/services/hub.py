"""Fan-out of committed facts to sockets: every message encoded once, a bounded queue per subscriber, nobody waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aico.core.errors import TooManyConnections

QUEUE_SIZE = 64
"""Messages that a subscriber may lag behind before it is dropped."""
REPLAY_COUNT = 256
"""Committed messages that are kept for subscribers that come back."""
REPLAY_BYTES = 8 * 1024 * 1024
"""The kept messages together may weigh this much."""


class Revisioned(NamedTuple):
    """The messages of a committed change."""

    revision: int
    find_texts: Callable[[], tuple[str, ...]]
    """Return them, encoded."""
    size_bytes: int


class Subscription:
    """One subscriber's end. Made by :meth:`Hub.subscribe`."""

    def __init__(self, greeting: list[str]) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._greeting_left = len(greeting)
        self.lagged = asyncio.Event()
        """Set once a message found no room: later ones would follow a gap, so none follows."""
        for text in greeting:
            self._queue.put_nowait(text)

    def offer_nowait(self, text: str) -> None:
        """Queue ``text``; when there is no room, end the subscription instead of waiting."""
        if self.lagged.is_set():
            return
        if self._queue.qsize() < QUEUE_SIZE + self._greeting_left:
            self._queue.put_nowait(text)
            return
        self.lagged.set()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    def end_nowait(self) -> None:
        """Let the subscriber's loop end after what is queued."""
        self._queue.put_nowait(None)

    async def get(self) -> str | None:
        """Return the next message, or None at the end."""
        text = await self._queue.get()
        # Room for the replay is lent, not given: as it is read, the queue shrinks to what everybody has.
        self._greeting_left = max(0, self._greeting_left - 1)
        return text


class Hub:
    """Publishes messages to all subscriptions of one process.

    Nothing here awaits between taking a subscriber's position and adding it, so no message falls between its replay
    and its queue.
    """

    def __init__(self, encode: Callable[[dict[str, object]], str], version: str, max_subscriptions: int) -> None:
        self._encode = encode
        self._version = version
        self._max_subscriptions = max_subscriptions
        self._subscriptions: set[Subscription] = set()
        self._replay: deque[Revisioned] = deque()
        self._replay_bytes = 0
        self.epoch = ""
        self.revision = 0
        self.dropped_count = 0
        """Subscribers that lagged and were dropped since the start."""

    @property
    def subscription_count(self) -> int:
        """How many subscribers there are now."""
        return len(self._subscriptions)

    def open(self, epoch: str, revision: int) -> None:
        """Take the database's position before the first message."""
        self.epoch, self.revision = epoch, revision

    def begin_epoch(self, epoch: str, revision: int) -> None:
        """Take another position of the database and tell every subscriber to read again; nothing before it is kept."""
        self.open(epoch, revision)
        self.forget_missed()
        self._send(self._encode({"type": "resync", "epoch": epoch, "revision": revision}))

    def forget_missed(self) -> None:
        """Keep nothing that was published: a subscriber that missed any of it is told to read again."""
        self._replay.clear()
        self._replay_bytes = 0

    def publish_change(self, revision: int, *messages: dict[str, object]) -> None:
        """Publish a committed change, in one message or in several, and keep it for those who come back."""
        texts = tuple(map(self._encode, messages))
        self._keep(Revisioned(revision, lambda: texts, sum(len(text.encode()) for text in texts)))
        for text in texts:
            self._send(text)

    def publish_lazily(self, revision: int, make: Callable[[], list[dict[str, object]]], size_bytes: int) -> None:
        """Publish a committed change whose messages are made only when somebody hears them, now or coming back.

        ``make`` returns the same whenever it is called; its data, or the messages, weigh about ``size_bytes``.
        """
        if self._subscriptions:
            self.publish_change(revision, *make())
        else:
            self._keep(Revisioned(revision, lambda: tuple(map(self._encode, make())), size_bytes))

    def _keep(self, change: Revisioned) -> None:
        self.revision = change.revision
        self._replay.append(change)
        self._replay_bytes += change.size_bytes
        while len(self._replay) > REPLAY_COUNT or self._replay_bytes > REPLAY_BYTES:
            self._replay_bytes -= self._replay.popleft().size_bytes

    def publish_notice(self, message: dict[str, object]) -> None:
        """Publish what has no revision and is not replayed: a state, a heartbeat."""
        self._send(self._encode(message))

    @contextmanager
    def subscribe(self, epoch: str | None, since: int | None) -> Iterator[Subscription]:
        """Yield a subscription that begins with ``hello`` and what was missed since revision ``since`` of ``epoch``.

        When that is not known any more, or never was, one ``resync`` stands in its place. Raises TooManyConnections.
        """
        if len(self._subscriptions) >= self._max_subscriptions:
            raise TooManyConnections(self._max_subscriptions)
        position = {"epoch": self.epoch, "revision": self.revision}
        greeting = [self._encode({"type": "hello", **position, "version": self._version})]
        missed = self._find_missed(epoch, since)
        greeting += [self._encode({"type": "resync", **position})] if missed is None else missed
        subscription = Subscription(greeting)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscriptions:
            subscription.end_nowait()

    def _find_missed(self, epoch: str | None, since: int | None) -> list[str] | None:
        if epoch is None and since is None:
            return []
        if epoch != self.epoch or since is None or since > self.revision:
            return None
        missed = [kept for kept in self._replay if kept.revision > since]
        return [text for kept in missed for text in kept.find_texts()] if len(missed) == self.revision - since else None

    def _send(self, text: str) -> None:
        for subscription in self._subscriptions:
            had_lagged = subscription.lagged.is_set()
            subscription.offer_nowait(text)
            self.dropped_count += subscription.lagged.is_set() and not had_lagged
