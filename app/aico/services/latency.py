"""How long it takes from Cline's write to the message that goes out to every page."""

from __future__ import annotations

from collections.abc import Callable

from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.services.histogram import Histogram

_BOUNDS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class WriteLatency:
    """Counts, for each write that was noticed, the time from the file's mtime to the publication."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._seen: dict[bytes, int] = {}
        """The last write of each place, nanoseconds since 1970."""
        self.histogram = Histogram(
            "aico_write_to_publish_seconds", "From a tool's last write to the published rows.", _BOUNDS_S
        )

    def note(self, receipt: ImportReceipt, place: bytes, written_ns: int | None) -> None:
        """Take note of a publication of what was written to ``place`` at ``written_ns``, if that is known.

        Only writes that the watch noticed are counted: at a start the file may be years old, and a request or a rescan
        comes when it comes. The same write twice is no second one.
        """
        if written_ns is None or self._seen.get(place) == written_ns:
            return
        self._seen[place] = written_ns
        if receipt.trigger is Trigger.WATCH and not receipt.remaining_count:
            self.histogram.observe(self._now_ms() / 1000 - written_ns / 1e9)
