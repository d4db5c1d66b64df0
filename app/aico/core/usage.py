"""The statements of a source about usage, in one shape for every tool. No I/O, no clock, no logging.

A tool writes down single requests, or the running total of a session, or both. A request becomes a
:class:`UsageEvent`. A running total is a :class:`MeterReading`; its growth becomes events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from aico.core.units import DAY_SLOTS, SLOT_MS, TOKENS, RequestState, Tokens

__all__ = [
    "COST_MAX",
    "COUNT_MAX",
    "DAY_SLOTS",
    "ID_LENGTH_MAX",
    "MODEL_LENGTH_MAX",
    "PROJECT_LENGTH_MAX",
    "REGION",
    "REJECTIONS_SHOWN",
    "SLOT_MS",
    "TOKENS",
    "TS_MAX",
    "TS_SECONDS_BELOW",
    "UNKNOWN_MODEL",
    "GapReading",
    "MeterReading",
    "ProjectSeen",
    "PromptSeen",
    "ReadingCounts",
    "Record",
    "Rejection",
    "RejectionCode",
    "RequestState",
    "SessionState",
    "Tokens",
    "Trigger",
    "UsageEvent",
    "digest",
    "make_event",
    "make_reading",
]

UNKNOWN_MODEL = ""
"""The name of the unknown model in keys and sums: NULL in a SQLite key never conflicts."""
REGION = "geo-"
"""The words of a context that name the region of inference begin so."""

DIGEST_BYTES = 16
ID_LENGTH_MAX = 128
MODEL_LENGTH_MAX = 200
PROJECT_LENGTH_MAX = 200
COUNT_MAX = 10**12
COST_MAX = 10**6
TS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""
TS_SECONDS_BELOW = 10**11
"""A moment below this is in seconds: in milliseconds it would lie before March 1973."""


class Trigger(StrEnum):
    """The cause of an import, weakest claim first."""

    STARTUP = "startup"
    RESCAN = "rescan"
    WATCH = "watch"
    CLI = "cli"
    REQUEST = "request"


class RejectionCode(StrEnum):
    """Why an entry, or a field of it, cannot be used."""

    NOT_AN_OBJECT = "not_an_object"
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    NOT_A_NUMBER = "not_a_number"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    TOO_LARGE = "too_large"
    NOT_A_TIME = "not_a_time"
    NOT_UTF8 = "not_utf8"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An entry, or one field of an entry, that could not be used: its place and the reason, never its text."""

    index: int
    """Position of the entry in its file or table, from 0."""
    code: RejectionCode
    field: str | None
    """Name of the field in the tool's own words; None when the entry as a whole was refused."""
    origin: str = ""
    """The origin that it was read from; empty: that of its receipt."""


REJECTIONS_SHOWN = 20
"""Rejections that a receipt names; the others are counted."""


class SessionState(IntEnum):
    """How a session is, as far as its tool tells; the numbers are stored."""

    UNKNOWN = 0
    RUNNING = 1
    DONE = 2
    INTERRUPTED = 3
    FAILED = 4


class UsageEvent(NamedTuple):
    """One request of a tool to a model."""

    key: bytes
    """16 bytes that name this request for ever, over all files of its source; see :func:`digest`."""
    session: str
    ts: int
    """Epoch milliseconds."""
    model: str | None
    tokens: Tokens
    recorded_nano: int | None = None
    """The tool's own cost in nano-dollars; None where the tool states none."""
    state: RequestState = RequestState.FINAL
    parent: str | None = None
    """The session that started this one."""
    unknown: tuple[str, ...] = ()
    """Names of fields that could not be used."""
    former_key: bytes | None = None
    """The key under which this request was stored before: the row is renamed, not added."""
    context: str = ""
    """Space-separated words for speed, tier, kind of processing and region; empty for the ordinary ones."""
    claim: int | None = None
    """How well it is known that ``session`` made it, 0 the best: of sessions that hold copies, the best one owns it.

    None: the session that said so first keeps it.
    """
    is_bare: bool = False
    """True: it counts only as long as no other request is known whose key has the same first half."""
    near_ms: int | None = None
    """How far apart in time another origin may tell of the same request, of the same session, under another key.

    Of requests with the same tokens the nearest one is meant; one without tokens may be any.
    """


EventFields: TypeAlias = tuple[
    bytes,
    str,
    int,
    str | None,
    Tokens,
    int | None,
    RequestState,
    str | None,
    tuple[str, ...],
    bytes | None,
    str,
    int | None,
    bool,
    int | None,
]
make_event: Callable[[EventFields], UsageEvent] = partial(tuple.__new__, UsageEvent)
"""Make an event of all its values, in half the time that the class takes."""
_Count: TypeAlias = int | None
make_tokens: Callable[[tuple[_Count, _Count, _Count, _Count, _Count, _Count]], Tokens] = partial(tuple.__new__, Tokens)
"""The same of tokens."""
# An enumeration is asked for a member by a function of Python; this stands on every request.
_OPEN = RequestState.OPEN
_MEASURED = {RequestState.FINAL, RequestState.AT_LEAST, RequestState.INTERRUPTED}


def answer_of(opened: UsageEvent, event: UsageEvent) -> UsageEvent | None:
    """Return the one record that says the same as both in their order: an announcement, and the answer to it.

    None where one alone does not say it.
    """
    others = (event.former_key, opened.former_key, event.near_ms, opened.near_ms)
    is_plain = not event.is_bare and others == _NO_OTHERS
    is_same = event.key == opened.key and event.session == opened.session and event.parent == opened.parent
    is_news = event.state in _MEASURED and event.model is not None and opened.recorded_nano is None
    if not (is_plain and is_same and is_news and opened.state is _OPEN):
        return None
    claims = [claim for claim in (opened.claim, event.claim) if claim is not None]
    best = min(claims, default=None)
    if event.claim == best:
        return event
    # Not by ``_replace``, which takes four times as long.
    return make_event(
        (
            event.key,
            event.session,
            event.ts,
            event.model,
            event.tokens,
            event.recorded_nano,
            event.state,
            event.parent,
            event.unknown,
            None,
            event.context,
            best,
            False,
            None,
        )
    )


_NO_OTHERS = (None,) * 4
_NO_NUMBERS = (None,) * 7


class MeterReading(NamedTuple):
    """The running total of one session, as its tool states it now.

    Flat, so that a first import makes 100,000 of them column by column.
    """

    session: str
    """1 to 128 characters without control characters; opaque."""
    ts: int | None
    """Last activity, epoch milliseconds; None takes the moment of the first sight."""
    model: str | None
    """The model of the last answer; None if unknown."""
    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    reasoning: int | None
    cost_usd: float | None
    """US dollars, 0 to 10**6, as stated. 0 may mean that the price is unknown. None: the tool states no usable cost."""
    state: SessionState = SessionState.UNKNOWN
    parent: str | None = None
    unknown: tuple[str, ...] = ()
    """Names of fields, in the tool's own words, that could not be used, or must be there and are not."""
    forked_from: str | None = None
    """The session that it was forked from, whose total at that moment its own begins with; see ``core.db.forks``."""
    started_ts: int | None = None
    """The start, epoch milliseconds, where the tool tells it; its usage is dated by ``ts`` all the same."""

    @property
    def tokens(self) -> Tokens:
        """The tokens by kind."""
        return Tokens(*self[3:9])

    @property
    def is_silent(self) -> bool:
        """True if no number is stated at all."""
        return self[3:10] == _NO_NUMBERS


make_reading: Callable[[Iterable[object]], MeterReading] = partial(tuple.__new__, MeterReading)
"""Make a reading of all its values. ``MeterReading._make`` would count them in Python."""


class PromptSeen(NamedTuple):
    """One prompt of the user."""

    key: bytes
    session: str
    ts: int
    model: str | None = None
    parent: str | None = None
    claim: int | None = None
    """See :class:`UsageEvent`."""


class GapReading(NamedTuple):
    """Calls that a tool bills and does not record, as far as it lets us know: replaces what was said before.

    With a number of ``requests`` and a moment, those of that moment: copies in other sessions count once. Or, where the
    tool states from time to time what it billed altogether, such a total: see :mod:`aico.core.gaps`.
    """

    session: str
    model: str | None
    kind: str
    requests: int | None
    """None: how many is not known."""
    tokens: Tokens = Tokens()
    at: int | None = None
    """The moment of the calls, epoch milliseconds. Of a total: the last one before it, up to which it includes all."""
    heir_of: str | None = None
    """Of a total: the session with whose last total before ``heir_since`` this one began."""
    heir_since: int | None = None
    recorded_count: int | None = None
    """Of a total: how many requests the session's file holds so far; None where it is known with what the total began.

    If fewer of them are the session's own, others made the rest, and nobody says with whose total this one began.
    """


class PlanWindow(NamedTuple):
    """How much of a plan's limit is used within a window of time, as its tool states it."""

    name: str
    """The tool's own."""
    used_hundredths: int
    """Of a percent; more than 10,000 is more than all."""
    minutes: int | None
    """How long the window is."""
    resets_at: int | None
    """When it begins anew, epoch milliseconds."""


class PlanReading(NamedTuple):
    """The state of a plan at a moment: the newest one replaces what was said before, and is never added to a sum."""

    plan: str
    """The tool's own name of the limit; empty where it has none."""
    at: int
    """When that was written, epoch milliseconds."""
    windows: tuple[PlanWindow, ...]


class ProjectSeen(NamedTuple):
    """The last name of the folder that a session works in; the first one that is told stays. Only where asked for."""

    session: str
    name: str
    """1 to ``PROJECT_LENGTH_MAX`` characters, no path."""


Record: TypeAlias = UsageEvent | MeterReading | PromptSeen | GapReading
"""A statement about a session's usage."""
AnyRecord: TypeAlias = Record | PlanReading | ProjectSeen


def digest(*parts: str | int | bytes | None) -> bytes:
    """Return 16 bytes that name ``parts``, in their order; different parts give different bytes."""
    return blake2b(_framed(parts), digest_size=DIGEST_BYTES).digest()


def digests_behind(*parts: str | int | bytes | None) -> Callable[[bytes], bytes]:
    """Return what says of a last part what :func:`digest` says of it behind ``parts``, in a third of the time."""
    begun = blake2b(_framed(parts), digest_size=DIGEST_BYTES)

    def digest_of(part: bytes) -> bytes:
        hasher = begun.copy()
        hasher.update(b"%d:%b" % (len(part), part))
        return hasher.digest()

    return digest_of


def digests_of_numbers(*parts: str | int | bytes | None) -> Callable[[Iterable[int]], bytes]:
    """Return what says of numbers what :func:`digest` says of them behind ``parts``, in a third of the time."""
    begun = blake2b(_framed(parts), digest_size=DIGEST_BYTES)

    def digest_of(numbers: Iterable[int]) -> bytes:
        hasher = begun.copy()
        hasher.update("".join([f"{len(text)}:{text}" for text in map(str, numbers)]).encode())
        return hasher.digest()

    return digest_of


def _framed(parts: Iterable[str | int | bytes | None]) -> bytes:
    framed = b""
    for part in parts:
        if part is None:
            framed += b"-"
            continue
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        framed += b"%d:%b" % (len(data), data)
    return framed


@dataclass(frozen=True, slots=True)
class ReadingCounts:
    """The result of one reading of a place, before anything is written."""

    trigger: Trigger
    skipped_count: int = 0
    """Valid entries that change nothing."""
    rejections: tuple[Rejection, ...] = ()
    """Entries that were refused as a whole."""
    partials: tuple[Rejection, ...] = ()
    """Fields that could not be used, of entries that were taken."""
    partial_count: int = 0
    """Entries with such fields."""
