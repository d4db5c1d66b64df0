"""How the way out to a collector is, for those who need nothing of what sends."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aico.core.telemetry import WORDS, Outcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportState:
    """How it is, and since when; ``outcome`` is None before the first export."""

    endpoint: str
    """Host and port."""
    outcome: Outcome | None = None
    since_ms: int | None = None
    accepted_at_ms: int | None = None
    """When the collector took an export last."""
    counts: Counter[Outcome] = field(default_factory=Counter)
    """Exports since the start, by what became of them."""

    def after(self, outcome: Outcome, now_ms: int) -> ExportState:
        """Return the state after one more export."""
        return replace(
            self,
            outcome=outcome,
            since_ms=self.since_ms if outcome is self.outcome else now_ms,
            accepted_at_ms=now_ms if outcome is Outcome.ACCEPTED else self.accepted_at_ms,
            counts=self.counts + Counter([outcome]),
        )


class ExportMonitor:
    """Keeps the state, and tells each change of it to the log and the subscribers."""

    def __init__(
        self, endpoint: str, now_ms: Callable[[], int], publish: Callable[[ExportState], None] = lambda _state: None
    ) -> None:
        self.state = ExportState(endpoint)
        self._now_ms = now_ms
        self._publish = publish

    def note(self, outcome: Outcome) -> None:
        """Take over what became of an export."""
        is_news = outcome is not self.state.outcome
        self.state = self.state.after(outcome, self._now_ms())
        if is_news:
            level = logging.INFO if outcome is Outcome.ACCEPTED else logging.WARNING
            _log.log(level, "export to %s: %s", self.state.endpoint, WORDS[outcome])
            self._publish(self.state)
