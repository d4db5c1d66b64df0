"""Imports every module of ``aico`` in a fresh interpreter and prints, as JSON, what was done on the way.

Run as a file by ``test_imports``. Environment variables that libraries read for themselves do not count; those that a
module of ``aico`` asks for do, directly or through a library it calls.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import threading
from pathlib import Path
from types import FrameType
from unittest import mock

import aico

FORBIDDEN = (
    "os.chmod",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.symlink",
    "os.system",
    "os.truncate",
    "shutil.",
    "signal.",
    "socket.",
    "sqlite3.connect",
    "subprocess.",
    "tempfile.",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


LIBRARIES_OWN = {"PYDANTIC_DISABLE_PLUGINS"}  # asked by pydantic itself at every model class


class Probe:
    """Collects what happens while it is active."""

    def __init__(self) -> None:
        self.active = False
        self.module = ""
        self.deeds: list[str] = []

    def note(self, deed: str) -> None:
        """Keep ``deed`` with the module that was being imported."""
        self.deeds.append(f"{self.module}: {deed}")

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take in one audit event."""
        if not self.active:
            return
        if event == "open":
            _, mode, flags = arguments
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            if writes or (isinstance(flags, int) and flags & WRITING):
                self.note(f"opened {arguments[0]!s} for writing")
        elif event.startswith(FORBIDDEN):
            self.note(event)


def _is_asked_by_app(frame: FrameType | None) -> bool:
    """Return whether a module of ``aico`` stands between ``frame`` and the import that runs it."""
    while frame is not None and "importlib._bootstrap" not in frame.f_code.co_filename:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == "aico":
            return True
        frame = frame.f_back
    return False


def count_descriptors() -> int:
    """Return how many files this process holds open."""
    return len(list(Path("/dev/fd").iterdir()))


def main() -> None:
    """Import everything; print the names and the deeds."""
    probe = Probe()
    environment_type = type(os.environ)
    read = environment_type.__getitem__
    start = threading.Thread.start

    def watched_start(thread: threading.Thread) -> None:
        probe.note(f"started the thread {thread.name}")
        start(thread)

    def watched_read(environment: os._Environ[str], name: str) -> str:
        if probe.active and name not in LIBRARIES_OWN and _is_asked_by_app(sys._getframe(1)):
            probe.note(f"read the environment variable {name}")
        return read(environment, name)

    sys.addaudithook(probe.hear)
    open_before = count_descriptors()
    names = []
    with (
        mock.patch.object(environment_type, "__getitem__", watched_read),
        mock.patch.object(threading.Thread, "start", watched_start),
    ):
        probe.active = True
        for info in pkgutil.walk_packages(aico.__path__, "aico."):
            probe.module = info.name
            importlib.import_module(info.name)
            names.append(info.name)
        probe.active = False
    if count_descriptors() != open_before:
        probe.note("descriptors are left open")
    print(json.dumps({"names": names, "deeds": probe.deeds}))


if __name__ == "__main__":
    main()
