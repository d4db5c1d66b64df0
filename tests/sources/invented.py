"""A source that no tool is behind: as short as a new one may be."""

from __future__ import annotations

import msgspec

from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import MeterReading, Rejection, RejectionCode
from aico.features.files.memory import FileBytes
from aico.features.files.parsed import Parsed, Unparsable
from aico.features.files.whole_file import WholeFile
from aico.features.sources.source import Origin, Place, Source


def _reading(session: str, ts: int, tokens: int) -> MeterReading:
    return MeterReading(session, ts, None, tokens, None, None, None, None, None, None)


def parse(buffer: FileBytes) -> Parsed:
    """Parse an array of ``[session, ts, tokens]``; ``null`` says nothing, and anything else is no entry."""
    try:
        rows = msgspec.json.decode(buffer, type=list[tuple[str, int, int] | int | None])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unparsable("it is no list of rows") from None
    good = [_reading(*row) for row in rows if isinstance(row, tuple)]
    bad = [Rejection(index, RejectionCode.WRONG_TYPE, None) for index, row in enumerate(rows) if isinstance(row, int)]
    return Parsed(good, tuple(bad), skipped_count=rows.count(None))


FILE = WholeFile(SourceErrors(OriginName("invented", "log", "Invented log")), ("usage.json",), parse)
LOG = Origin("log", "log", lambda around: (Place(f"{around.home}/.invented/usage.json", "default"),), FILE.open)
SOURCE = Source("invented", "Invented", (LOG,))
