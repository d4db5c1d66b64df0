"""The date of each answer, which no clock of ours has to keep."""

from __future__ import annotations

from email.utils import format_datetime, parsedate_to_datetime
from types import SimpleNamespace

import httpx
import pytest

from aico.cli import serve
from tests.api.application_on_port import live
from tests.e2e.fake_cline_ledger import LedgerFile


async def test_each_answer_has_the_date_of_its_moment(ledger: LedgerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first one after a long rest, and on a connection that was there before."""
    moment = 1_780_000_000.9
    monkeypatch.setattr(serve, "time", SimpleNamespace(time=lambda: moment))
    async with live(ledger) as served, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for distance_s in (0.0, 0.05, 1.0, 100_000.0):
            moment += distance_s
            date = (await client.get(f"http://{served.authority}/healthz")).headers["date"]
            assert parsedate_to_datetime(date).timestamp() == int(moment)
            assert date == format_datetime(parsedate_to_datetime(date), usegmt=True)
