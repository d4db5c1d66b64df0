"""From the ledger's bytes to validated values and typed rejections. Pure: no I/O, no clock, no logging.

Six fields of each entry are looked at. Everything else, the prompt first of all, is skipped as bytes: no Python
string of it is ever made, and no error holds any of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, attrgetter, itemgetter
from typing import Annotated

import msgspec

from aico.core.domain import Rejection, TaskUsage, make_usage
from aico.core.errors import LedgerFormat
from aico.features.ledger.fields import has_control_character, judge_entry
from aico.features.ledger.memory import LedgerBytes
from aico.features.ledger.repair import mend_surrogates, repair
from aico.features.stores.bounds import COST_MAX, COUNT_MAX, ID_LENGTH_MAX, MODEL_LENGTH_MAX, TS_MAX

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"\s*\Z")

_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _Entry(msgspec.Struct, gc=False):
    """An entry as Cline writes it. One that does not fit is judged again, field by field."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    ts: Annotated[int, msgspec.Meta(ge=0, le=TS_MAX)]
    tokensIn: _Count  # noqa: N815  # Cline's key
    tokensOut: _Count  # noqa: N815  # Cline's key
    totalCost: Annotated[float, msgspec.Meta(ge=0, le=COST_MAX)]  # noqa: N815  # Cline's key
    modelId: Annotated[str, msgspec.Meta(max_length=MODEL_LENGTH_MAX)] = ""  # noqa: N815  # Cline's key


_FIELDS_OF = attrgetter("id", "ts", "modelId", "tokensIn", "tokensOut", "totalCost")
_TASK_ID = itemgetter(0)
_LEDGER = msgspec.json.Decoder(list[_Entry])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)


@dataclass(frozen=True, slots=True)
class ParsedLedger:
    """All that a ledger says. ``len(entries) + duplicate_count + len(rejections)`` is the length of its array."""

    entries: tuple[TaskUsage, ...]
    """No id twice, in the order of first appearance."""
    duplicate_count: int
    """Valid entries that lost against another one of the same id."""
    rejections: tuple[Rejection, ...]
    """In the order of the array."""


def parse_ledger(buffer: LedgerBytes) -> ParsedLedger:
    """Parse the whole ``buffer``, which may be altered in place and still belongs to the caller.

    Raises LedgerFormat when it is not a JSON array. One bad entry never costs a good one: it becomes a rejection.
    Of several entries with one id the one with the greatest ``ts`` counts, at equal ``ts`` the later.
    Any other exception is a bug.
    """
    if buffer[: len(_BOM)] == _BOM:
        buffer[: len(_BOM)] = b"   "
    entries = _read_at_once(buffer)
    if entries is None and mend_surrogates(buffer):
        entries = _read_at_once(buffer)
    if entries is None:
        return merge([_read_entry(raw, index) for index, raw in enumerate(_split(buffer))])
    if len(set(map(_TASK_ID, entries))) == len(entries):
        return ParsedLedger(entries, 0, ())
    return merge(entries)


def _read_at_once(array: LedgerBytes | memoryview) -> tuple[TaskUsage, ...] | None:
    """Return all entries of ``array`` when every one is as Cline writes it: by far the most frequent case, in one call.

    From there on it goes column by column, in functions of the interpreter's own: a line of Python for each entry
    would cost as much as the decoding. Any exception is a bug.
    """
    try:
        entries = _LEDGER.decode(array)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not entries:
        return ()
    task_ids, moments, models, tokens_in, tokens_out, costs = zip(*map(_FIELDS_OF, entries), strict=True)
    names = {model: _model_of(model) for model in set(models)}
    if not (all(map(str.isprintable, task_ids)) and all(map(str.isprintable, names))):
        return None
    # Adding zero turns the -0.0 that JSON allows into 0.0.
    columns = (task_ids, moments, map(names.get, models), tokens_in, tokens_out, map(add, costs, repeat(0.0)))
    return tuple(map(make_usage, zip(*columns, strict=True)))


def read_piece(array: memoryview) -> tuple[tuple[TaskUsage, ...], tuple[Rejection, ...]] | None:
    """Return the entries and the rejections of an array that is part of a ledger; None if it is no JSON.

    Whether an id comes twice is not looked at. Any exception is a bug.
    """
    entries = _read_at_once(array)
    if entries is not None:
        return entries, ()
    elements, _reason = _decode(array)
    if elements is None:
        return None
    outcomes = [_read_entry(raw, index) for index, raw in enumerate(elements)]
    return (
        tuple(outcome for outcome in outcomes if isinstance(outcome, TaskUsage)),
        tuple(outcome for outcome in outcomes if isinstance(outcome, Rejection)),
    )


def merge(outcomes: Sequence[TaskUsage | Rejection]) -> ParsedLedger:
    """Tell entries from rejections and let one entry of each id win."""
    entries: dict[str, TaskUsage] = {}
    rejections: list[Rejection] = []
    duplicate_count = 0
    for outcome in outcomes:
        if isinstance(outcome, Rejection):
            rejections.append(outcome)
            continue
        other = entries.setdefault(outcome.task_id, outcome)
        if other is not outcome:
            duplicate_count += 1
            if outcome.ts >= other.ts:
                entries[outcome.task_id] = outcome
    return ParsedLedger(tuple(entries.values()), duplicate_count, tuple(rejections))


def _split(buffer: LedgerBytes) -> list[msgspec.Raw]:
    """Return the elements of the array as views into ``buffer``, mended where that is what it takes."""
    elements, reason = _decode(buffer)
    if elements is None and repair(buffer):
        elements, reason = _decode(buffer)
    if elements is not None:
        return elements
    raise LedgerFormat(reason)


def _decode(buffer: LedgerBytes | memoryview) -> tuple[list[msgspec.Raw] | None, str]:
    """Return the elements, or why there are none. Errors end here: nothing that holds the buffer may be raised."""
    try:
        return _ARRAY.decode(buffer), ""
    except msgspec.ValidationError:
        return None, "it is JSON, but no array"
    except msgspec.DecodeError:
        return None, "it is empty" if _BLANK.match(buffer) else "it is no JSON"
    except RecursionError:
        return None, "it is nested too deeply"


def _read_entry(raw: msgspec.Raw, index: int) -> TaskUsage | Rejection:
    try:
        entry = _ENTRY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return judge_entry(raw, index)
    if has_control_character(entry.id) or has_control_character(entry.modelId):
        return judge_entry(raw, index)
    return _usage_of(entry)


def _usage_of(entry: _Entry) -> TaskUsage:
    return TaskUsage(
        entry.id, entry.ts, _model_of(entry.modelId), entry.tokensIn, entry.tokensOut, entry.totalCost + 0.0
    )


def _model_of(name: str) -> str | None:
    return name if name and not name.isspace() else None
