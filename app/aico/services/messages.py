"""The frames that sockets receive: flat objects with a ``type``, never with a key ``session_id``."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from aico.core.accounting import Amount, amount_of
from aico.core.domain import TaskUsage
from aico.core.events import FreshRow, UsageImported, WatcherStateChanged
from aico.core.money import usd
from aico.services.kimi_monitor import KimiProxyState

HEARTBEAT_S = 25.0
"""Distance of the heartbeats, by which a page knows a silent connection from a dead one."""


def encode(message: dict[str, object]) -> str:
    """Return the text frame of ``message``."""
    return msgspec.json.encode(message).decode()


def spent_fields(amount: Amount) -> dict[str, object]:
    """Return ``amount`` as interface fields; dollars are divided here, once, from the integer sum."""
    return {
        "tokens_in": amount.tokens_in,
        "tokens_out": amount.tokens_out,
        "total_cost": usd(amount.cost_nano_usd),
    }


def usage_fields(row: FreshRow, spent: Amount) -> dict[str, object]:
    """Return a task as it stands in pages and messages: its lifetime numbers, and what was spent inside a filter."""
    fields: dict[str, object] = dict(zip(TaskUsage._fields, row.usage, strict=True))
    fields |= {"imported_at": row.imported_at, "store": row.store.value, "spent": spent_fields(spent)}
    return fields


def usage_updated(event: UsageImported) -> dict[str, object]:
    """Return the message of a committed import. ``spent`` of a row is unfiltered: the task's whole."""
    receipt = event.receipt
    return {
        "type": "cline_usage_updated",
        "latest_ts": receipt.latest_ts,
        "latest_count": event.task_count,
        "imported_count": receipt.imported_count,
        "timestamp": datetime.fromtimestamp(receipt.finished_at_ms / 1000, UTC).isoformat(),
        "epoch": event.epoch,
        "revision": receipt.revision,
        "trigger": receipt.trigger.value,
        "rows": [usage_fields(row, amount_of(row.usage)) for row in event.rows],
        "rows_truncated": event.rows_truncated,
    }


def watcher_state(event: WatcherStateChanged) -> dict[str, object]:
    """Return the message of a new watcher state."""
    return {"type": "watcher_state", "state": event.state.value, "since": event.since_ms, "reason": event.reason}


def sessions_state(event: WatcherStateChanged) -> dict[str, object]:
    """Return the message of a new state of the session store's watcher."""
    return {"type": "sessions_state", "state": event.state.value, "since": event.since_ms, "reason": event.reason}


def kimi_proxy_state(proxy: KimiProxyState) -> dict[str, object]:
    """Return the message of a new state of the Kimi Proxy."""
    return {"type": "kimi_proxy_state", "state": proxy.state, "reason": proxy.reason, "since": proxy.since_ms}


def heartbeat(revision: int) -> dict[str, object]:
    """Return the message that only says: still here, and nothing is missing up to ``revision``."""
    return {"type": "heartbeat", "revision": revision}
