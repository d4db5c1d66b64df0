"""A thousand reports a second for ten seconds: each is answered, few are taken, and nothing counts twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

from aico.api.access import EXTENSION_ORIGIN, REPORT_PATH
from tests.system.test_browser_extension import call, seconds_of
from tests.ui.restartable_service import Service

PER_S, FOR_S, CONNECTIONS = 1_000, 10, 10
LONGEST_S = 300
"""A flood that takes longer hangs: other suites run beside this one."""
STOCK, TAKEN_PER_S = 60, 2


async def send(port: int, token: str, began_ms: int, share: int) -> Counter[int]:
    """Send one connection's share of the reports, at its pace, and return how often each status came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses, began = Counter[int](), time.monotonic()
    for number in range(PER_S * FOR_S // CONNECTIONS):
        beat = {"domain": "claude.ai", "start": began_ms, "ms": 60_000, "visits": 0}
        body = json.dumps({"batch": f"flood-{share}-{number // 2:06}", "browser": "chrome", "beats": [beat] * 5})
        head = (
            f"POST {REPORT_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {EXTENSION_ORIGIN}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write((head + body).encode())
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        await reader.readexactly(
            next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
        )
        statuses[int(lines[0].split()[1])] += 1
        await asyncio.sleep(max(0.0, began + number * CONNECTIONS / PER_S - time.monotonic()))
    writer.close()
    return statuses


async def test_thousand_reports_a_second_are_answered_bounded_and_counted_once(tmp_path: Path) -> None:
    """200 or 429, within bounds; the time is what passed, at most; the service is as well as before."""
    with Service(tmp_path) as service:
        service.start()
        call(f"{service.url}/api/activity/extension", "PUT", {"enabled": True})
        pairing = call(f"{service.url}/api/activity/pairings", "PUT")
        assert isinstance(pairing, dict)
        port, began, began_ms = int(service.url.rpartition(":")[2]), time.monotonic(), time.time_ns() // 1_000_000
        shares = [send(port, str(pairing["token"]), began_ms, share) for share in range(CONNECTIONS)]
        statuses = sum(await asyncio.gather(*shares), Counter[int]())
        took = time.monotonic() - began
        assert sum(statuses.values()) == PER_S * FOR_S
        assert statuses.keys() == {200, 429}
        assert statuses[200] <= STOCK + TAKEN_PER_S * took + 1
        assert took < LONGEST_S
        assert 0 < seconds_of(service)["claude.ai"] <= took + 1
