"""Activity beside exports: what leaves is what the database has, and forgetting takes nothing back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aico.core.activity import ActivitySpan
from aico.services.forgetting import forget_use
from tests.otlp.fake_collector import Export, FakeCollector
from tests.otlp.test_export import exporting
from tests.otlp.test_faults import never_falls
from tests.services.heard_service import running

NOON = 1_779_012_000_000
TIME, VISITS, ESTIMATE = (f"ai.browser.domain.{name}" for name in ("active.duration", "visit.count", "estimated.cost"))
APP, CALLS = "ai.app.active.duration", "ai.cli.command.count"
SITE = "chat claude.ai Firefox history"


def spans(seconds: int) -> list[ActivitySpan]:
    """Return a use of an app, a command and a site."""
    return [
        ActivitySpan("apps", "Cursor", "editor", NOON, seconds * 1_000 + 1, cost_nano=seconds),
        ActivitySpan("shell", "claude", "coding", NOON, 0, seconds, "zsh"),
        ActivitySpan("shell", "claude", "coding", NOON, 0, 1, "fish"),
        ActivitySpan("browsers", "claude.ai", "chat", NOON, seconds * 1_000, 2, "Firefox", 10**9 + seconds),
    ]


async def until(fake: FakeCollector, seconds: float) -> Export:
    """Return the first export that tells a time of the app."""
    return await asyncio.to_thread(fake.wait_for, lambda each: each.values(APP).get("editor Cursor") == seconds)


async def test_activity_is_exported_to_the_digit(tmp_path: Path, certificates: Path, receiver: FakeCollector) -> None:
    """Seconds, calls, visits and estimates, over a restart; what is forgotten stays told, what follows is added."""
    async with running(exporting(tmp_path, certificates, receiver.port)) as heard:
        await heard.service.activity.store.add(spans(60))
        first = await until(receiver, 60.001)
        assert (first.values(TIME), first.values(VISITS)) == ({SITE: 60}, {SITE: 2})
        assert (first.values(CALLS), first.values(ESTIMATE)) == ({"coding claude": 61}, {"chat claude.ai": 1.00000006})
        kinds = ["apps", "browsers", "shell"]
        assert len(await forget_use(heard.service, kinds, NOON, heard.service.now_ms())) == 3
        await heard.service.activity.store.add(spans(5))
        await until(receiver, 65.002)
    async with running(exporting(tmp_path, certificates, receiver.port)) as heard:
        await heard.service.activity.store.add(spans(7))
        last = await until(receiver, 72.003)
    assert (last.values(TIME), last.values(VISITS)) == ({SITE: 72}, {SITE: 6})
    assert (last.values(CALLS), last.values(ESTIMATE)) == ({"coding claude": 75}, {"chat claude.ai": 3.000000072})
    assert never_falls(receiver)
