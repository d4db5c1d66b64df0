"""A page written for the feature as it once was inside Kimi Proxy still works, unchanged, from its own origin.

The client knows only what the contract has kept: three addresses, one message, and the fields in them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.quick_variants import first_row_is_quick

HANG_S = 60
PAGE = "http://localhost:8000"
OLD_FIELDS = ("task_id", "ts", "model_id", "tokens_in", "tokens_out", "total_cost")


@dataclass
class OldPage:
    """The old page's deeds: it read, it imported by a button, and it listened."""

    client: httpx.AsyncClient
    socket: ClientConnection

    async def read_usage(self) -> list[dict[str, object]]:
        """Fill the table."""
        answer = await self.client.get("/api/cline/usage", params={"limit": 50, "offset": 0}, headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        items: list[dict[str, object]] = answer.json()["items"]
        return items

    async def read_status(self) -> dict[str, object]:
        """Fill the line above it."""
        answer = await self.client.get("/api/cline/status", headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        status: dict[str, object] = answer.json()
        return status

    async def press_import(self) -> dict[str, object]:
        """Do what a browser does for ``fetch`` with a JSON body: ask first whether it may."""
        address, asked = "/api/cline/import", {"Access-Control-Request-Method": "POST"}
        asked["Access-Control-Request-Headers"] = "content-type"
        preflight = await self.client.options(address, headers={"Origin": PAGE, **asked})
        assert preflight.is_success
        assert preflight.headers["access-control-allow-origin"] == PAGE
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
        answer = await self.client.post(address, json={}, headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        receipt: dict[str, object] = answer.json()
        return receipt

    async def listen(self) -> dict[str, object]:
        """Return the next update. The old page dropped what belonged to a session, and what it did not know."""
        async with asyncio.timeout(HANG_S):
            while True:
                message = json.loads(await self.socket.recv())
                if "session_id" not in message and message.get("type") == "cline_usage_updated":
                    return dict(message)


@asynccontextmanager
async def opened(served: Live) -> AsyncIterator[OldPage]:
    """Open the page."""
    async with (
        httpx.AsyncClient(base_url=f"http://{served.authority}", trust_env=False, timeout=HANG_S) as client,
        connect(served.socket_url, origin=Origin(PAGE)) as socket,
    ):
        yield OldPage(client, socket)


async def test_old_page_reads_imports_and_is_told(ledger: LedgerFile) -> None:
    """All that it asked, sent and heard is as it was: names, types and the flat message."""
    async with live(ledger, allowed_origins=PAGE) as served, opened(served) as page:
        assert await page.read_usage() == []
        ledger.write(
            entry("1001", ts=1_772_000_000_007, tokens_in=10, tokens_out=20, cost=0.5),
            entry("1002", ts=1_772_000_000_009, model=None),
            7,
        )
        update = await page.listen()
        assert (update["latest_ts"], update["latest_count"], update["imported_count"]) == (1_772_000_000_009, 2, 2)
        assert isinstance(update["timestamp"], str)
        receipt = await page.press_import()
        assert {name: receipt[name] for name in ("imported_count", "skipped_count", "error_count", "latest_ts")} == {
            "imported_count": 0,
            "skipped_count": 2,
            "error_count": 1,
            "latest_ts": 1_772_000_000_009,
        }
        newest, oldest = await page.read_usage()
        assert {name: oldest[name] for name in OLD_FIELDS} == {
            "task_id": "1001",
            "ts": 1_772_000_000_007,
            "model_id": "moonshotai/kimi-k2.6",
            "tokens_in": 10,
            "tokens_out": 20,
            "total_cost": 0.5,
        }
        assert (newest["model_id"], type(newest["imported_at"])) == (None, int)
        assert (await page.read_status())["latest_ts"] == 1_772_000_000_009


@pytest.mark.parametrize(
    ("body", "content_type"),
    first_row_is_quick(
        (b"", None),
        (b"{}", "application/json"),
        (b"null", "application/json"),
        (b'{"path": null}', "application/json"),
    ),
)
async def test_old_button_may_send_any_of_its_bodies(ledger: LedgerFile, body: bytes, content_type: str | None) -> None:
    """Nothing, an empty object, null and an empty path all mean the one ledger."""
    ledger.write(entry("1001"))
    async with live(ledger, allowed_origins=PAGE) as served:
        headers = {"Origin": PAGE, **({"Content-Type": content_type} if content_type else {})}
        async with httpx.AsyncClient(base_url=f"http://{served.authority}", trust_env=False, timeout=HANG_S) as client:
            answer = await client.post("/api/cline/import", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["error_count"] == 0
