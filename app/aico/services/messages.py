"""The frames that sockets receive: flat objects with a ``type``, never with a key ``session_id``."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from aico.core.events import WatcherStateChanged
from aico.core.receipts import ImportReceipt, UsageCommitted
from aico.services.export_state import ExportState
from aico.services.kimi_monitor import KimiProxyState
from aico.services.queries import CLINE
from aico.services.shapes import session_fields, stored_session
from aico.services.task_shapes import fresh_task_fields

HEARTBEAT_S = 25.0
"""Distance of the heartbeats, by which a page knows a silent connection from a dead one."""

_ROW_BYTES = 2_000


def encode(message: dict[str, object]) -> str:
    """Return the text frame of ``message``."""
    return msgspec.json.encode(message).decode()


def weigh(event: UsageCommitted) -> int:
    """Return about how many bytes the fact of a change takes up, which is about what its messages would."""
    return _ROW_BYTES * (1 + len(event.rows))


def of_commit(event: UsageCommitted) -> list[dict[str, object]]:
    """Return the messages of one committed change, in the order in which they are sent."""
    is_cline = event.receipt.source == CLINE
    return [usage_updated(event), cline_usage_updated(event)] if is_cline else [usage_updated(event)]


def usage_updated(event: UsageCommitted) -> dict[str, object]:
    """Return the message of a committed change of any source. ``spent`` of a row is what this commit added."""
    receipt = event.receipt
    return {
        "type": "usage_updated",
        "source": receipt.source,
        "epoch": event.epoch,
        "revision": receipt.revision,
        "trigger": receipt.trigger.value,
        "rows": [session_fields(stored_session(row)) for row in event.rows],
        "rows_truncated": event.rows_truncated,
    }


def cline_usage_updated(event: UsageCommitted) -> dict[str, object]:
    """Return the old message of a committed change of Cline's. ``spent`` of a row is unfiltered: the task's whole."""
    receipt = event.receipt
    return {
        "type": "cline_usage_updated",
        "latest_ts": receipt.latest_ts,
        "latest_count": event.session_count,
        "imported_count": receipt.imported_count,
        "timestamp": datetime.fromtimestamp(receipt.finished_at_ms / 1000, UTC).isoformat(),
        "epoch": event.epoch,
        "revision": receipt.revision,
        "trigger": receipt.trigger.value,
        "rows": [fresh_task_fields(row) for row in event.rows],
        "rows_truncated": event.rows_truncated,
    }


def of_state(source: str, origin: str, event: WatcherStateChanged | None) -> list[dict[str, object]]:
    """Return the messages of a new state of one origin, the old ones of Cline's first two among them.

    None: it is read no more, for which the old ones have no word.
    """
    if event is None:
        return [source_off(source, origin)]
    old = {(CLINE, "ledger"): watcher_state, (CLINE, "sessions"): sessions_state}.get((source, origin))
    return [source_state(source, origin, event), *([] if old is None else [old(event)])]


def source_state(source: str, origin: str, event: WatcherStateChanged) -> dict[str, object]:
    """Return the message of a new state of one origin of a source."""
    return {
        "type": "source_state",
        "source": source,
        "origin": origin,
        "state": event.state.value,
        "since": event.since_ms,
        "reason": event.reason,
    }


def source_off(source: str, origin: str) -> dict[str, object]:
    """Return the message of one origin of a source that was switched off."""
    return {
        "type": "source_state",
        "source": source,
        "origin": origin,
        "state": "off",
        "since": None,
        "reason": None,
    }


def reading(receipt: ImportReceipt, done: int, total: int, epoch: str) -> dict[str, object]:
    """Return the message of the progress of a large reading, in bytes, as it was with the commit of ``receipt``."""
    return {
        "type": "reading",
        "source": receipt.source,
        "bytes_done": done,
        "bytes_total": total,
        "epoch": epoch,
        "revision": receipt.revision,
    }


def prices_updated(epoch: str, revision: int) -> dict[str, object]:
    """Return the message of a change of the user's own prices. Its effect on requests is told as it is done."""
    return {"type": "prices_updated", "epoch": epoch, "revision": revision}


def pricing(done: int, total: int) -> dict[str, object]:
    """Return the message of how far prices were brought to what is stored: so much of so much."""
    return {"type": "pricing", "done": done, "total": total}


def currency_updated() -> dict[str, object]:
    """Return the message that amounts are shown in another currency."""
    return {"type": "currency_updated"}


def projects_updated(epoch: str, revision: int) -> dict[str, object]:
    """Return the message that projects are kept from now on, or no more, or that they are forgotten."""
    return {"type": "projects_updated", "epoch": epoch, "revision": revision}


def watcher_state(event: WatcherStateChanged) -> dict[str, object]:
    """Return the old message of a new state of the ledger's watcher."""
    return {"type": "watcher_state", "state": event.state.value, "since": event.since_ms, "reason": event.reason}


def sessions_state(event: WatcherStateChanged) -> dict[str, object]:
    """Return the old message of a new state of the session store's watcher."""
    return {"type": "sessions_state", "state": event.state.value, "since": event.since_ms, "reason": event.reason}


def kimi_proxy_state(proxy: KimiProxyState) -> dict[str, object]:
    """Return the message of a new state of the Kimi Proxy."""
    return {"type": "kimi_proxy_state", "state": proxy.state, "reason": proxy.reason, "since": proxy.since_ms}


def export_state(state: ExportState) -> dict[str, object]:
    """Return the message of a new state of the way out to a collector."""
    return {
        "type": "otlp_state",
        "state": None if state.outcome is None else state.outcome.value,
        "since": state.since_ms,
        "accepted_at": state.accepted_at_ms,
    }


def activity_changed() -> dict[str, object]:
    """Return the message that there is more use of apps, commands and sites, or another switch: ask anew."""
    return {"type": "activity_changed"}


def heartbeat(revision: int) -> dict[str, object]:
    """Return the message that only says: still here, and nothing is missing up to ``revision``."""
    return {"type": "heartbeat", "revision": revision}
