"""Chooses how the system notifies, and fakes a system that does so badly; all else is real."""

from __future__ import annotations

import errno
import sys

import pytest
from watchfiles._rust_notify import RustNotify

from aico.services import notifier as notifier_module
from aico.services.inotify import FolderEvents

SYSTEMS = ("watchfiles", "inotify") if sys.platform == "linux" else ("watchfiles",)
"""What can be chosen here; the last one is what the service takes by itself."""
_RUST = "watchfiles._rust_notify.RustNotify"


def choose(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Be notified by ``system`` from now on."""
    monkeypatch.setattr(notifier_module, "HAS_INOTIFY", system == "inotify")


class Watches:
    """A system that has so many watches for each queue, and so many for all; it may be deaf, and its queues may end."""

    limit = 1_000_000
    limit_of_all = 1_000_000
    count = 0
    is_deaf = False
    """Its queues are full: what happens is lost without a word."""
    is_dying = False
    """Its queues fail when they are looked at."""

    def check(self, more: int, of_queue: int) -> None:
        """Raise OSError if there are not ``more`` watches for a queue that will have ``of_queue`` then."""
        if of_queue > self.limit or self.count + more > self.limit_of_all:
            raise OSError(errno.ENOSPC, "OS file watch limit reached.")
        self.count += more

    def break_down(self) -> None:
        """Have no watch for anybody."""
        self.limit = 0

    def recover(self) -> None:
        """Be well again."""
        self.limit = self.limit_of_all = 1_000_000
        self.is_deaf = self.is_dying = False


def fake_watches(monkeypatch: pytest.MonkeyPatch) -> Watches:
    """Return the system's watches, which are well until they are told otherwise."""
    watches = Watches()

    class LimitedRust:
        def __init__(self, folders: list[str], *options: bool) -> None:
            watches.check(len(folders), len(folders))
            self._count = len(folders)
            self._native = RustNotify(folders, *options)

        def watch(self, *arguments: int) -> object:
            if watches.is_dying:
                raise OSError(errno.EIO, "it fails")
            found = self._native.watch(*arguments)  # type: ignore[arg-type]  # as they are given
            return "timeout" if watches.is_deaf and isinstance(found, set) else found

        def close(self) -> None:
            watches.count -= self._count
            self._count = 0
            self._native.close()

    real_add, real_read, real_close = FolderEvents._add, FolderEvents.read, FolderEvents.close
    counts: dict[FolderEvents, int] = {}

    def add(events: FolderEvents, folder: str) -> None:
        watches.check(1, counts.get(events, 0) + 1)
        counts[events] = counts.get(events, 0) + 1
        real_add(events, folder)

    def read(events: FolderEvents) -> set[tuple[int, str]]:
        if watches.is_dying:
            raise OSError(errno.EIO, "it fails")
        found = real_read(events)
        return set() if watches.is_deaf else found

    def close(events: FolderEvents) -> None:
        watches.count -= counts.pop(events, 0)
        real_close(events)

    monkeypatch.setattr(_RUST, LimitedRust)
    monkeypatch.setattr(FolderEvents, "_add", add)
    monkeypatch.setattr(FolderEvents, "read", read)
    monkeypatch.setattr(FolderEvents, "close", close)
    return watches
