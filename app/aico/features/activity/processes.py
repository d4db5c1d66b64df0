"""The running programs of this user that are listed: matched once each, told apart by number and start. Blocks.

Of every process its number, its owner and its file are looked at; the command line of one only when it is new, and
nothing of it is kept but the listed name. Processes vanish while they are looked at: that is no error.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from aico.core.activity import APPS, COMMANDS
from aico.features.activity.definitions import Definitions
from aico.features.activity.matching import ProgramNames, invocation_of
from aico.features.activity.programs import Load, Program

_IS_LINUX = platform.system() == "Linux"
_GONE = (psutil.Error, OSError)
_ANCESTORS_MAX = 32
_MB = 1_000_000
_PTS_MAJORS = range(136, 144)
"""Devices of pseudo-terminals. Source: Linux, Documentation/admin-guide/devices.txt."""


class _Known(NamedTuple):
    sign: tuple[object, ...]
    """Another process under the same number, or another program in it, has another one."""
    program: Program | None
    process: psutil.Process | None


class SystemProcesses:
    """The programs that run on this system. Not thread-safe: one caller at a time."""

    def __init__(
        self,
        definitions: Definitions,
        kinds: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
        list_pids: Callable[[], list[int]] = psutil.pids,
    ) -> None:
        self._apps = ProgramNames(definitions.apps.values())
        self._commands = ProgramNames(definitions.commands.values())
        self._kinds = frozenset(kinds)
        self._clock = clock
        self._list_pids = list_pids
        self._known: dict[int, _Known] = {}
        self._spent: dict[tuple[int, tuple[object, ...]], float] = {}
        """Processor seconds of each listed process at the last measurement."""
        self._measured_at: float | None = None

    def scan(self) -> list[Program]:
        """Return the listed programs that run."""
        known = self._known
        self._known = {pid: each for pid in self._list_pids() if (each := _look(pid, known, self._match)) is not None}
        return [each.program for each in self._known.values() if each.program is not None]

    def find(self, pid: int) -> Program | None:
        """Return the listed program with this number, None for any other."""
        found = _look(pid, self._known, self._match)
        if found is None:
            self._known.pop(pid, None)
            return None
        self._known[pid] = found
        return found.program

    def measure(self) -> dict[tuple[str, str], Load]:
        """Return the load of the programs of the last scan, by kind and name."""
        now = self._clock()
        passed = None if self._measured_at is None else now - self._measured_at
        spent: dict[tuple[int, tuple[object, ...]], float] = {}
        loads: dict[tuple[str, str], Load] = {}
        for pid, known in self._known.items():
            if known.program is None or known.process is None:
                continue
            with suppress(*_GONE), known.process.oneshot():
                times, memory = known.process.cpu_times(), known.process.memory_info().rss
                key = (pid, known.sign)
                spent[key] = times.user + times.system
                more = max(0.0, spent[key] - self._spent[key]) if key in self._spent else 0.0
                percent = more / passed * 100 if passed else 0.0
                name = (known.program.kind, known.program.name)
                before = loads.get(name, Load(0.0, 0.0))
                loads[name] = Load(before.cpu_percent + percent, before.memory_mb + memory / _MB)
        self._spent, self._measured_at = spent, now
        return loads

    def _match(self, pid: int, sign: tuple[object, ...]) -> _Known:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                executable, arguments = _text(process.exe), process.cmdline()
                invocation = invocation_of(executable, arguments[:5])
                del arguments
                name, kind = self._apps.find(invocation), APPS.id
                if name is None:
                    name, kind = self._commands.find(invocation), COMMANDS.id
                del invocation
                # A program of an app is never a command, whether apps are seen or not.
                if name is None or kind not in self._kinds:
                    return _Known(sign, None, None)
                terminal = _terminal_of(process) if kind == COMMANDS.id else None
                return _Known(sign, Program(pid, kind, name, terminal, _ancestors_of(process)), process)
        except _GONE:
            return _Known(sign, None, None)


def _look(pid: int, known: Mapping[int, _Known], match: Callable[[int, tuple[object, ...]], _Known]) -> _Known | None:
    """Return the facts on a process, looked at anew if it is another one; None for a process that is not ours."""
    sign = _sign_of(pid)
    if sign is None:
        return None
    before = known.get(pid)
    return before if before is not None and before.sign == sign else match(pid, sign)


def _sign_of(pid: int) -> tuple[object, ...] | None:
    """Return the traits that tell a process from all others with its number, None for one that is not this user's."""
    try:
        if _IS_LINUX:
            # Its folder is made anew for each process; its file changes when it becomes another program.
            status = os.stat(f"/proc/{pid}")  # noqa: PTH116  # of hundreds, every time: a path object takes longer
            if status.st_uid != os.getuid():
                return None
            return status.st_ino, status.st_ctime_ns, os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115  # likewise
        process = psutil.Process(pid)
        return (process.create_time(),) if process.uids().real == os.getuid() else None
    except _GONE:
        return None


def _text(find: Callable[[], str]) -> str:
    try:
        return find()
    except _GONE:
        return ""


def _ancestors_of(process: psutil.Process) -> tuple[int, ...]:
    found: list[int] = []
    with suppress(*_GONE):
        pid = process.ppid()
        while pid > 1 and pid not in found and len(found) < _ANCESTORS_MAX:
            found.append(pid)
            pid = psutil.Process(pid).ppid()
    return tuple(found)


def _terminal_of(process: psutil.Process) -> str | None:
    if not _IS_LINUX:
        return process.terminal()
    # psutil lists the terminals once, at its first call: it does not know one that was opened later.
    stat = Path(f"/proc/{process.pid}/stat").read_bytes()
    number = int(stat.rpartition(b")")[2].split()[4])
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    return f"/dev/pts/{minor + (major - _PTS_MAJORS.start) * 256}" if major in _PTS_MAJORS else None
