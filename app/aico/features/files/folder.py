"""The last name of the folder that a session worked in: told only while the user asks for projects. Pure.

A path is never made into a text: it is cut as bytes, and its last name alone is decoded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw

from aico.core.usage import PROJECT_LENGTH_MAX, AnyRecord, ProjectSeen, PromptSeen, Rejection, UsageEvent
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState
from aico.features.files.raw_fields import NOTHING, UNUSABLE, identity_of

_HOMES = (b"home", b"Users", b"users")
"""The folders below which each user has one: its name is the user's, and no project."""
_ROOTS = ([b"/", b"root"], [b"/", b"var", b"root"])
"""That of the administrator, on Linux and macOS."""
_REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, what turns the direction of text, halves of a character, and what ends a line."""
_TEXT = msgspec.json.Decoder(str)


class _Below(msgspec.Struct):
    cwd: Raw = NOTHING


class _Line(msgspec.Struct):
    """The two fields that may hold the working folder: one of the line itself, and one of its ``payload``."""

    cwd: Raw = NOTHING
    payload: Raw = NOTHING


_LINE = msgspec.json.Decoder(_Line)
_BELOW = msgspec.json.Decoder(_Below)


def last_name(path: Raw) -> str | None:
    """Return the last name of the absolute ``path`` as JSON has it; None where there is none, or it names a user."""
    data = identity_of(path)
    if data is None:
        return None
    names = [name for name in _cut(data[1:-1]) if name]
    if len(names) < 2 or names[-2] in _HOMES or names in _ROOTS:
        return None
    try:
        name = _TEXT.decode(b'"' + names[-1] + b'"').strip()
    except UNUSABLE:
        return None
    is_plain = name not in {"", ".", ".."} and not any(unicodedata.category(each) in _REFUSED for each in name)
    return name if is_plain and len(name) <= PROJECT_LENGTH_MAX else None


def _cut(path: bytes) -> list[bytes]:
    """Return the names of a path, the root or the drive as the first one; nothing of a relative one."""
    if path.startswith(b"/"):
        return [b"/", *path.split(b"/")]
    if path[1:3] == b":/":
        return path.split(b"/")
    return path.split(b"\\\\") if path[1:4] == b":\\\\" else []


def find_folder(line: memoryview) -> Raw:
    """Return the working folder that a line states, as it stands; nothing where it states none."""
    try:
        fields = _LINE.decode(line)
        if fields.cwd or not fields.payload:
            return fields.cwd
        return _BELOW.decode(fields.payload).cwd
    except UNUSABLE:
        return NOTHING


class ProjectNoting:
    """Reads a file as another parser does, and tells of each session the folder that was stated last before it."""

    def __init__(self, parser: LineParser) -> None:
        self._parser = parser
        self._name: str | None = None
        self._told: set[str] = set()

    @property
    def state(self) -> PlainState:
        """That of the other parser: no name is kept in a checkpoint."""
        return self._parser.state

    def parse(self, line: memoryview, index: int) -> Iterable[AnyRecord | Rejection]:
        """Return the other parser's records of a line, and the projects of sessions that were not told yet."""
        self._name = last_name(find_folder(line)) or self._name
        return [*self._told_by(self._parser.parse(line, index))]

    def _told_by(self, records: Iterable[AnyRecord | Rejection]) -> Iterator[AnyRecord | Rejection]:
        for record in records:
            yield record
            if self._name is None or not isinstance(record, UsageEvent | PromptSeen) or record.session in self._told:
                continue
            self._told.add(record.session)
            yield ProjectSeen(record.session, self._name)


def open_parser(format_: LineFormat, file: LineFile, state: PlainState, *, wants_project: bool) -> LineParser:
    """Return the parser of a file; one that tells projects, too, where somebody wants them and the lines state them."""
    parser = format_.open(file, state)
    return ProjectNoting(parser) if wants_project and format_.states_folder else parser
