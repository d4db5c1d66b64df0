"""From the ledger's bytes to readings, and to what could not be used. Pure: no I/O, no clock, no logging.

Six fields of each entry are looked at. Everything else, the prompt first of all, is skipped as bytes: no Python
string of it is ever made, and no error holds any of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo
from itertools import repeat
from typing import Annotated

import msgspec

from aico.core.usage import (
    COST_MAX,
    COUNT_MAX,
    ID_LENGTH_MAX,
    MODEL_LENGTH_MAX,
    TS_MAX,
    TS_SECONDS_BELOW,
    MeterReading,
    Rejection,
    SessionState,
    make_reading,
)
from aico.features.files.memory import FileBytes
from aico.features.files.parsed import Parsed, Unparsable
from aico.features.sources.cline.fields import has_control_character, judge_entry, start_of
from aico.features.sources.cline.mending import mend_surrogates, quote_words
from aico.features.sources.cline.pieces import CLOSING, OPENING, cut

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"\s*\Z")

_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _Entry(msgspec.Struct, gc=False):
    """An entry as Cline writes it. One that does not fit is judged again, field by field."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    ts: Annotated[int, msgspec.Meta(ge=TS_SECONDS_BELOW, le=TS_MAX)]
    tokensIn: _Count  # noqa: N815  # Cline's key
    tokensOut: _Count  # noqa: N815  # Cline's key
    totalCost: Annotated[float, msgspec.Meta(ge=0, le=COST_MAX)]  # noqa: N815  # Cline's key
    modelId: Annotated[str, msgspec.Meta(max_length=MODEL_LENGTH_MAX)] = ""  # noqa: N815  # Cline's key


_LEDGER = msgspec.json.Decoder(list[_Entry])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_NOTHING = repeat(None)
_STATE = repeat(SessionState.UNKNOWN)
_NO_FIELDS: repeat[tuple[str, ...]] = repeat(())


class LedgerParser:
    """Parses a ledger, as a whole or in pieces."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        """Take moments without a time zone to be of ``zone``; None is this machine's."""
        self._zone = zone

    def parse(self, buffer: FileBytes) -> Parsed:
        """Parse the whole ``buffer``, which may be altered in place and still belongs to the caller.

        Raises Unparsable when it is not a JSON array. One bad entry never costs a good one, and one bad field no
        other. Any other exception is a bug.
        """
        if buffer[: len(_BOM)] == _BOM:
            buffer[: len(_BOM)] = b"   "
        with memoryview(buffer) as view:
            parsed, reason = self._parse(view)
        if parsed is None:
            raise Unparsable(reason)
        return parsed

    def cut(self, buffer: FileBytes) -> Sequence[int]:
        """Return where the array in ``buffer`` opens, where it may be cut, and where it closes."""
        return cut(buffer)

    def parse_piece(self, buffer: FileBytes, first: int, last: int) -> Parsed | None:
        """Parse one piece, whose ends are brackets as long as that takes; None if it is no array then."""
        ends = buffer[first], buffer[last]
        buffer[first], buffer[last] = OPENING, CLOSING
        try:
            with memoryview(buffer) as whole, whole[first : last + 1] as view:
                return self._parse(view)[0]
        finally:
            buffer[first], buffer[last] = ends

    def _parse(self, view: memoryview) -> tuple[Parsed | None, str]:
        """Return what ``view`` says, mended where that is what it takes, or why it is no array."""
        readings = _read_at_once(view)
        if readings is None and mend_surrogates(view):
            readings = _read_at_once(view)
        if readings is not None:
            return Parsed(readings), ""
        elements, reason = _decode(view)
        if elements is None and quote_words(view):
            elements, reason = _decode(view)
        return None if elements is None else self._judge(elements), reason

    def _judge(self, elements: Sequence[msgspec.Raw]) -> Parsed:
        """Return what ``elements`` say, one by one."""
        readings: list[MeterReading] = []
        rejections: list[Rejection] = []
        partials: list[Rejection] = []
        partial_count = 0
        for index, raw in enumerate(elements):
            reading = _read_entry(raw)
            if reading is not None:
                readings.append(reading)
                continue
            judged = judge_entry(raw, index, self._zone)
            if isinstance(judged, Rejection):
                rejections.append(judged)
                continue
            readings.append(judged.reading)
            partials += judged.partials
            partial_count += bool(judged.partials)
        return Parsed(readings, tuple(rejections), tuple(partials), partial_count)


def _read_at_once(array: memoryview) -> list[MeterReading] | None:
    """Return all entries of ``array`` when every one is as Cline writes it: by far the most frequent case, in one call.

    From there on it goes column by column: a line of Python for each entry would cost as much as the decoding. Any
    exception is a bug.
    """
    try:
        entries = _LEDGER.decode(array)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    sessions = [entry.id for entry in entries]
    models = [entry.modelId for entry in entries]
    names = {model: _model_of(model) for model in set(models)}
    if not (all(map(str.isprintable, sessions)) and all(map(str.isprintable, names))):
        return None
    # Adding zero turns the -0.0 that JSON allows into 0.0.
    columns = zip(
        sessions,
        [entry.ts for entry in entries],
        map(names.get, models),
        [entry.tokensIn for entry in entries],
        _NOTHING,
        _NOTHING,
        _NOTHING,
        [entry.tokensOut for entry in entries],
        _NOTHING,
        [entry.totalCost + 0.0 for entry in entries],
        _STATE,
        _NOTHING,
        _NO_FIELDS,
        _NOTHING,
        map(start_of, sessions),
        strict=False,  # what repeats never ends
    )
    return list(map(make_reading, columns))


def _read_entry(raw: msgspec.Raw) -> MeterReading | None:
    """Return what an entry says that is as Cline writes it; None for any other."""
    try:
        entry = _ENTRY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if has_control_character(entry.id) or has_control_character(entry.modelId):
        return None
    model, cost = _model_of(entry.modelId), entry.totalCost + 0.0
    counts = entry.tokensIn, None, None, None, entry.tokensOut, None
    return MeterReading(entry.id, entry.ts, model, *counts, cost, started_ts=start_of(entry.id))


def _decode(view: memoryview) -> tuple[list[msgspec.Raw] | None, str]:
    """Return the elements, or why there are none. Errors end here: nothing that holds the buffer may be raised."""
    try:
        return _ARRAY.decode(view), ""
    except msgspec.ValidationError:
        return None, "it is JSON, but no array"
    except msgspec.DecodeError:
        return None, "it is empty" if _BLANK.match(view) else "it is no JSON"
    except RecursionError:
        return None, "it is nested too deeply"


def _model_of(name: str) -> str | None:
    return name.strip() or None
