"""Times the numbers of a viewer from outside: its first cost, the same after a second start, and a change."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bench.peers.faces import Face, Served
from bench.peers.homes import HomeMaker, Price, Task
from bench.peers.stores import WrittenHome
from bench.peers.viewers import Viewer

LIMIT_S = 60.0
"""A value that is not shown by then is reported as not shown."""
_PAUSE_S = 0.05
_CALM_S = 2.0
"""A cost that has not changed for so long is the one that it shows."""
_NOTHING_S = 8.0
"""So long it may show nothing or 0."""
_SAME_USD = 1e-9


@dataclass
class Shown:
    """The times of one viewer on one home. Seconds; None if it did not show the cost within the limit."""

    cost_usd: float | None = None
    cold_s: list[float | None] = field(default_factory=list)
    warm_s: list[float | None] = field(default_factory=list)
    live_s: list[float | None] = field(default_factory=list)
    frame_s: list[float | None] = field(default_factory=list)


def time_start(viewer: Viewer, home: Path) -> tuple[float | None, float | None]:
    """Start it, wait for its cost, end it; return the seconds to that cost, and the cost."""
    face = viewer.face()
    began = time.monotonic()
    face.start(home)
    try:
        return until_calm(face, began)
    finally:
        face.stop()


def until_calm(face: Face, began: float) -> tuple[float | None, float | None]:
    """Return when it first showed the cost that stayed, in seconds since ``began``, and it; None and 0 if nothing."""
    cost, since = face.ask(), time.monotonic()
    while True:
        calm = time.monotonic() - since
        if cost and calm > _CALM_S:
            return since - began, cost
        if cost == 0 and calm > _NOTHING_S:
            return None, 0.0
        if time.monotonic() - began > LIMIT_S:
            return None, cost
        time.sleep(_PAUSE_S)
        now = face.ask()
        if now != cost:
            cost, since = now, time.monotonic()


def time_changes(viewer: Viewer, written: WrittenHome, maker: HomeMaker, count: int) -> Shown:
    """Start it, let a task grow ``count`` times, and return how long each took to be shown; stops when one is late."""
    face = viewer.face()
    shown = Shown()
    face.start(written.folder)
    try:
        until_calm(face, time.monotonic())
        for task in growing_tasks(written)[:count]:
            late = _time_change(face, partial(_grow, written, maker, task), shown, framed=viewer.name == "ours")
            if late:
                break
    finally:
        face.stop()
    return shown


def growing_tasks(written: WrittenHome) -> list[Task]:
    """Return tasks that may go on: at list price, so that every viewer has a price for them; the newest first."""
    return [task for task in reversed(written.home.tasks) if task.model.price is Price.LISTED and not task.of_agents]


def _grow(written: WrittenHome, maker: HomeMaker, task: Task) -> None:
    maker.grow(written.home, task, time.time_ns() // 1_000_000)
    written.rewrite(task)


def _time_change(face: Face, change: Callable[[], None], shown: Shown, *, framed: bool) -> bool:
    """Time one change; return whether it was not shown within the limit."""
    before = face.ask() or 0.0
    with _Frames(face if framed else None) as frames:
        began = time.monotonic()
        change()
        while abs((face.ask() or before) - before) <= _SAME_USD:
            if time.monotonic() - began > LIMIT_S:
                shown.live_s.append(None)
                return True
            time.sleep(_PAUSE_S)
        shown.live_s.append(time.monotonic() - began)
    if framed:
        shown.frame_s.append(None if frames.at is None else frames.at - began)
    return False


class _Frames:
    """Our socket, whose first message about usage is noted; without a face it does nothing."""

    def __init__(self, face: Face | None) -> None:
        self._face = face
        self._listening: tuple[ClientConnection, threading.Thread] | None = None
        self.at: float | None = None

    def __enter__(self) -> Self:
        if isinstance(self._face, Served):
            connection = connect(f"ws://127.0.0.1:{self._face.port}/ws")
            connection.recv(LIMIT_S)  # hello
            thread = threading.Thread(target=self._listen, args=(connection,))
            thread.start()
            self._listening = connection, thread
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening is not None:
            connection, thread = self._listening
            thread.join(_CALM_S)
            connection.close()
            thread.join()

    def _listen(self, connection: ClientConnection) -> None:
        try:
            while self.at is None:
                if json.loads(connection.recv(LIMIT_S)).get("type") == "cline_usage_updated":
                    self.at = time.monotonic()
        except (TimeoutError, WebSocketException):
            return
