"""Cline's databases full of private texts, open as Cline holds them, and what else can stand in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aico.features.sources.cline import hub, sessions
from bench.fake_session_store import FIRST_MS, SECRET, SessionStore, core_metadata, usage
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.faults.canary_ledger import FIELD_MARK, MARK

HELD_SESSION = "held-session-PWNUBGTD"
"""Of a session that only the store tells of: a search for canaries must find this, or is blind."""
HELD_EVENT = "held-event-PWNUBGTD"
"""Of one that only the hub tells of."""
SESSIONS = 30


def switched_on(data: Path) -> dict[str, str]:
    """Return the settings of a service that reads the databases in ``data``, too."""
    return {"AICO_SOURCES_CLINE_ENABLED": "true", "CLINE_DATA_DIR": str(data)}


@contextmanager
def canary_databases(data: Path) -> Iterator[None]:
    """Write both databases below ``data``, and hold them open until the block ends."""
    folder = data / "db"
    with closing(SessionStore(folder / sessions.NAME)) as store, closing(HubEventsStore(folder / hub.NAME)) as events:
        for number in range(SESSIONS):
            metadata = core_metadata(usage(100 + number, 5, 0.5))
            store.put(f"{HELD_SESSION}-{number}", {**metadata, "systemPrompt": f"{SECRET} {MARK} " * 200})
            events.say(f"{HELD_EVENT}-{number}", FIRST_MS)
            payload = {**usage_payload(f"{HELD_EVENT}-{number}", usage(1, 1, 1)), MARK: f"{MARK} text"}
            events.add("usage.updated", f"{HELD_EVENT}-{number}", FIRST_MS, payload)
        store.put("model", core_metadata(usage(1, 1, 1)), model=FIELD_MARK * 40)
        store.put("number", core_metadata({**usage(1, 1, 1), "inputTokens": FIELD_MARK, "totalCost": [FIELD_MARK]}))
        store.put("state", core_metadata(usage(1, 1, 1)), status=FIELD_MARK)
        store.put("nothing", f'{{"title": "{MARK}')
        store.put(FIELD_MARK * 20, core_metadata(usage(1, 1, 1)))
        wrong = {"sessionId": "event", "usage": {**usage(1, 1, 1), "outputTokens": FIELD_MARK}}
        events.add("usage.updated", "event", FIELD_MARK, {**wrong, "totals": wrong["usage"]})
        events.put("usage.updated", "event", f'{{"event": "{MARK}')
        yield


def damage_databases(data: Path) -> None:
    """Put texts in the place of both databases, which nobody holds open any more."""
    for name in (sessions.NAME, hub.NAME):
        (data / "db" / name).write_text(f"{SECRET} {MARK} {FIELD_MARK} " * 1_000, encoding="ascii")
