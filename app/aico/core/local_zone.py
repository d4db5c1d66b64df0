"""The time zone of this machine and its name, as days of a person begin in it."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

_LINK = Path("/etc/localtime")
_NAME_FILE = Path("/etc/timezone")
_FOLDER = "zoneinfo/"


class LocalZone(NamedTuple):
    """A zone, and its name: that of the IANA database if it has one."""

    name: str
    zone: ZoneInfo


def find_local_zone(
    environment: Mapping[str, str] | None = None, link: Path = _LINK, name_file: Path = _NAME_FILE
) -> LocalZone:
    """Return the zone that ``TZ`` names, else that of the system, else UTC, as the C library does.

    ``TZ`` may be a name, a file, or a rule of POSIX such as ``CET-1CEST,M3.5.0,M10.5.0/3``.
    """
    text = (os.environ if environment is None else environment).get("TZ")
    if text is None:
        return _of_system(link, name_file)
    text = text.removeprefix(":")
    for attempt in (_named, _in_file, _by_rule):
        with suppress(ValueError, OSError, KeyError):
            return attempt(text)
    return LocalZone("UTC", ZoneInfo("UTC"))


def _of_system(link: Path, name_file: Path) -> LocalZone:
    with suppress(ValueError, OSError, KeyError):
        return _in_file(str(link.resolve()) if link.is_symlink() else str(link), name_file)
    return LocalZone("UTC", ZoneInfo("UTC"))


def _named(name: str) -> LocalZone:
    return LocalZone(name, ZoneInfo(name))


def _in_file(path: str, name_file: Path | None = None) -> LocalZone:
    """Return the zone of a file; one that is a copy is called as ``name_file`` says, if that is the same zone."""
    if not path.startswith("/"):
        raise ValueError("no file")
    _, found, name = path.rpartition(_FOLDER)
    if found:
        with suppress(ValueError, KeyError):
            return _named(name)
    with Path(path).open("rb") as file:
        zone = ZoneInfo.from_file(file)
    if name_file is not None:
        with suppress(ValueError, OSError, KeyError):
            return _named(name_file.read_text(encoding="ascii").strip())
    return LocalZone(path, zone)


def _by_rule(rule: str) -> LocalZone:
    """Return the zone of a rule of POSIX: a file without a change, whose last line it is. Source: RFC 8536."""
    if not rule or "\n" in rule:
        raise ValueError("no rule")
    head = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbB4s", 0, 0, 0, b"UTC\0")
    return LocalZone(rule, ZoneInfo.from_file(io.BytesIO(head + body + head + body + b"\n" + rule.encode() + b"\n")))
