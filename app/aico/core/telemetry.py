"""The data for a collector: the metrics by name, and the points of one export. No I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from aico.core.units import NANO

SCOPE = "aico"
SERVICE = "ai-cost-observer"
OTHER = "other"
"""Stands for models that are not told by name."""
UNKNOWN = "unknown"
"""Stands for the unknown model."""
_MS = 1_000


class Kind(StrEnum):
    """How the points of a metric are meant."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Instrument(NamedTuple):
    """A metric. Its amounts are kept as integers; ``scale`` of them are one unit."""

    name: str
    kind: Kind
    unit: str
    """In UCUM's notation, as OpenTelemetry has it; empty: a bare number."""
    scale: int
    description: str


def _counter(name: str, description: str, unit: str = "", scale: int = 1) -> Instrument:
    return Instrument(name, Kind.COUNTER, unit, scale, description)


def _gauge(name: str, description: str, unit: str = "") -> Instrument:
    return Instrument(name, Kind.GAUGE, unit, _MS, description)


_ALL = (
    _gauge("ai.app.running", "1 while a program of the app runs."),
    _counter("ai.app.active.duration", "Time in the foreground, while somebody was there.", "s", _MS),
    _gauge("ai.app.cpu.usage", "Share of one processor, all processes of the app together.", "%"),
    _gauge("ai.app.memory.usage", "Memory of all processes of the app together.", "MB"),
    _counter("ai.app.estimated.cost", "Active time at a stated hourly rate: an estimate, no money.", "USD", NANO),
    _counter("ai.browser.domain.active.duration", "Time in the foreground, while somebody was there.", "s", _MS),
    _counter("ai.browser.domain.visit.count", "Visits."),
    _counter("ai.browser.domain.estimated.cost", "Active time at a stated hourly rate: an estimate.", "USD", NANO),
    _gauge("ai.cli.running", "1 while the command runs."),
    _counter("ai.cli.active.duration", "Time that somebody spent with the command in front.", "s", _MS),
    _counter("ai.cli.estimated.cost", "Active time at a stated hourly rate: an estimate, no money.", "USD", NANO),
    _counter("ai.cli.command.count", "Calls of the command in a shell."),
    _counter("ai.tokens.input_total", "Uncached input tokens."),
    _counter("ai.tokens.output_total", "Output tokens, reasoning included."),
    _counter("ai.tokens.cost_usd_total", "US dollars: recorded, else at the own price, else listed.", "", NANO),
    _counter("ai.prompt.count_total", "Prompts, of the tools that tell them."),
    _counter("ai.tokens.cache_read", "Input tokens read from a cache."),
    _counter("ai.tokens.cache_write", "Input tokens written into a cache."),
    _counter("ai.tokens.reasoning", "The part of the output that was reasoning."),
    _counter("ai.requests", "Requests."),
    _counter("ai.requests.unmeasured", "Requests of which no tokens are known."),
    _counter("ai.tokens.unpriced", "Tokens that nobody had a price for when they came."),
    _counter("ai.tokens.cost", "US dollars of ai.tokens.cost_usd_total by who says so.", "USD", NANO),
    _counter("ai.tokens.value", "US dollars at list prices of what a plan covers: no money.", "USD", NANO),
)
INSTRUMENTS: Mapping[str, Instrument] = {each.name: each for each in _ALL}
"""Every metric by name, in the order in which they are sent."""


class Series(NamedTuple):
    """A metric with the values of its attributes."""

    metric: str
    attributes: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> dict[str, str]:
        """The attributes by name."""
        return dict(self.attributes)


def series(metric: str, **attributes: str) -> Series:
    """Return a series; underscores in the names of ``attributes`` are dots: ``tool_name`` is ``tool.name``."""
    return Series(metric, tuple(sorted((name.replace("_", "."), value) for name, value in attributes.items())))


class Activity(NamedTuple):
    """The known use of apps, pages and commands by a person, by series of the first twelve metrics.

    Amounts are in thousandths (gauges, times) or nano-dollars, see :class:`Instrument`. Totals are of all time.
    """

    totals: Mapping[Series, int] = {}
    gauges: Mapping[Series, int] = {}


class Sending(NamedTuple):
    """One export: the amount of each series at one moment."""

    resource: Mapping[str, str]
    start_ms: int
    """Since when the counters count, epoch milliseconds."""
    at_ms: int
    points: Mapping[Series, int]

    def list_values(self) -> dict[str, list[tuple[dict[str, str], int | float]]]:
        """Return attributes and value of every point in the metric's own unit, by metric, in order."""
        found: dict[str, list[tuple[dict[str, str], int | float]]] = {}
        for name, instrument in INSTRUMENTS.items():
            points = sorted((each, amount) for each, amount in self.points.items() if each.metric == name)
            if points:
                found[name] = [(each.labels, _value(instrument, amount)) for each, amount in points]
        return found


def _value(instrument: Instrument, amount: int) -> int | float:
    """Return ``amount`` in units, correctly rounded. One number beyond 63 bits would have the whole export refused."""
    if instrument.scale != 1:
        return amount / instrument.scale
    return min(amount, 2**63 - 1)


class Outcome(StrEnum):
    """The result of an export."""

    ACCEPTED = "accepted"
    TOKEN_REFUSED = "token_refused"  # noqa: S105  # no secret
    CERTIFICATE_REFUSED = "certificate_refused"
    """Its certificate is not of an authority that we believe, or not for this name."""
    UNKNOWN_NAME = "unknown_name"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    """It answered, and did not take the numbers, or not all."""
    CA_UNREADABLE = "ca_unreadable"
    """Here, before anything was sent."""
    NOT_KEPT = "not_kept"
    """Nor was anything sent: amounts that cannot be kept here could be counted twice there."""
    STORAGE = "storage"
    """The database did not answer."""


WORDS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.TOKEN_REFUSED: "refused: token",
    Outcome.CERTIFICATE_REFUSED: "its certificate is not believed",
    Outcome.UNKNOWN_NAME: "its name is not known",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.NO_ANSWER: "no answer in time",
    Outcome.REFUSED: "it does not take the numbers",
    Outcome.CA_UNREADABLE: "the file of certificates cannot be read",
    Outcome.NOT_KEPT: "nothing is sent: what was sent could not be kept beside the database",
    Outcome.STORAGE: "nothing is sent: the database does not answer",
}
"""The same for logs and the terminal."""


def describe_outcome(name: object) -> str:
    """Return the words for the name of an outcome, which another version may have said."""
    return next((words for outcome, words in WORDS.items() if outcome.value == name), str(name))
