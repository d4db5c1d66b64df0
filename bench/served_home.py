"""A service beside a small ledger that reads a home of logs, and when it is done with it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.ledgers import LedgerFile
from bench.served import Served, serve

_LEDGER_ENTRIES = 100
_HANG_S = 900.0
_POLL_S = 0.5
"""An answer takes the service a few milliseconds of the time that is measured."""
_QUIET_S = 3.0
_QUIET_SHARE = 0.05


@contextmanager
def serve_home(folder: Path, settings: Mapping[str, str]) -> Iterator[Served]:
    """Yield a ready service of a small ledger and of the sources that ``settings`` switch on."""
    folder.mkdir(exist_ok=True)
    ledger = folder / f"ledger-{_LEDGER_ENTRIES}" / "taskHistory.json"
    if not ledger.exists():
        LedgerFile(folder, _LEDGER_ENTRIES)
    with serve(ledger, folder, {"AICO_DEBOUNCE_MS": "50", "AICO_RESCAN_INTERVAL_S": "0", **settings}) as served:
        served.wait_until_ready(_POLL_S)
        yield served


def wait_until_read(served: Served, names: Collection[str]) -> float:
    """Return when all files of the sources ``names`` were read and all work after that was done.

    The answer is the moment at which the last reading was stored, of a monotonic clock; where nothing was to be read,
    that at which this was seen.
    """
    began_ms = time.time() * 1000
    deadline = time.monotonic() + _HANG_S
    with httpx.Client(trust_env=False) as client:
        while True:
            sources = client.get(f"{served.url}/api/sources", timeout=_HANG_S).json()
            states = [each for each in sources if each["id"] in names]
            if all(each["state"] == "watching" and each["reading"] is None for each in states):
                break
            if time.monotonic() > deadline or served.process.poll() is not None:
                raise RuntimeError(f"the home was not read: {[(each['state'], each['reason']) for each in states]}")
            time.sleep(_POLL_S)
    now_ms = time.time() * 1000
    stored_ms = max((each["last_read_at"] or 0 for each in states), default=0)
    read_s = time.monotonic() - ((now_ms - stored_ms) / 1000 if stored_ms >= began_ms else 0)
    wait_until_quiet(served)
    return read_s


def wait_until_quiet(served: Served) -> None:
    """Return when the service has had next to nothing to do for a while."""
    while True:
        used = served.processor_s()
        time.sleep(_QUIET_S)
        if served.processor_s() - used < _QUIET_SHARE * _QUIET_S:
            return
