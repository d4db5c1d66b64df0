"""Projects: off at first, from then on or backwards, and nothing of a path but its last name anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from aico.core.errors import SourceFixed
from aico.core.usage import Trigger
from aico.services.projects import ProjectsOut
from aico.services.service import ObserverService
from tests.core.repository_on_file import read_rows
from tests.services.heard_service import Heard, observer, running

CANARY = "k4nary-f0lder"
FIRST, SECOND = (f"0000000{number}-1111-4222-8333-444444444444" for number in (1, 2))


class Home:
    """Transcripts of Claude Code below a root, and the service that reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "claude" / "projects"
        self.root.mkdir(parents=True)
        self.count = 0

    def answer(self, session: str, below: str) -> None:
        """Write one answer of a session in a folder."""
        self.count += 1
        usage = {"input_tokens": 1_000, "output_tokens": 100}
        message = {"id": f"m{self.count}", "model": "claude-opus-4-1", "stop_reason": "end_turn", "usage": usage}
        moment = f"2026-01-05T10:{self.count // 60:02}:{self.count % 60:02}.000Z"
        line = {"type": "assistant", "sessionId": session, "version": "2.1.50", "timestamp": moment}
        path = f"/srv/{CANARY}/{below}"
        with (self.root / f"{session}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "cwd": path, "message": message}) + "\n")

    def service(self, **settings: object) -> ObserverService:
        """Return a service that is not started, and reads nothing but these."""
        sources = {"cline": {"enabled": False}, "claude-code": {"enabled": True, "roots": (str(self.root),)}}
        path = {"ledger_path": str(self.folder / "taskHistory.json")}
        return observer(self.folder, **{**path, "sources": sources, **settings})  # type: ignore[arg-type]  # no clock

    def kept(self) -> bytes:
        """Return the bytes of every file that the service keeps."""
        return b"".join(path.read_bytes() for path in sorted((self.folder / "own").rglob("*")) if path.is_file())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with two sessions."""
    home = Home(tmp_path.resolve())
    home.answer(FIRST, "sh0p")
    home.answer(SECOND, "d0cs")
    return home


def projects_of(service: ObserverService) -> Mapping[str, str | None]:
    """Return the stored project of each session."""
    rows = read_rows(service.database.path, "SELECT key, project FROM session ORDER BY key")
    return {str(key): None if project is None else str(project) for key, project in rows}


async def read(heard: Heard) -> None:
    """Read all that was written before this call."""
    await heard.service.sources.read(Trigger.REQUEST)


async def test_names_are_kept_from_the_switch_on_and_backwards_only_when_asked(home: Home) -> None:
    """Off keeps nothing of a folder; a session that goes on is named, one that is over when all is read again."""
    service = home.service()
    async with running(service) as heard:
        await read(heard)
        assert projects_of(service) == {FIRST: None, SECOND: None}
        assert all(name not in home.kept() for name in (b"sh0p", b"d0cs", CANARY.encode()))

        await service.projects.switch(is_on=True)
        home.answer(FIRST, "sh0p/web")
        await read(heard)
        assert projects_of(service) == {FIRST: "web", SECOND: None}
        [before] = read_rows(service.database.path, "SELECT COUNT(*), SUM(input), SUM(list_nano) FROM usage_event")

        await service.projects.switch(is_on=True, backwards=True)
        await read(heard)
        assert projects_of(service) == {FIRST: "web", SECOND: "d0cs"}
        [after] = read_rows(service.database.path, "SELECT COUNT(*), SUM(input), SUM(list_nano) FROM usage_event")
        assert after == before
        assert (await ProjectsOut.of(service.projects)).model_dump() == {
            "enabled": True,
            "fixed_by": None,
            "named": 2,
            "sources": ["claude-code", "codex", "qwen-code", "pi"],
        }
        assert CANARY.encode() not in home.kept()
        assert CANARY not in json.dumps(heard.received)
        told = [row for each in heard.of_kind("usage_updated") for row in each["rows"]]  # type: ignore[attr-defined]
        assert told[-1]["project"] is None or told[-1]["project"] == "web"


async def test_names_are_forgotten_and_pages_are_told(home: Home) -> None:
    """Off keeps what is there; forgetting takes it, under a number of its own."""
    service = home.service()
    async with running(service) as heard:
        await service.projects.switch(is_on=True, backwards=True)
        await read(heard)
        assert projects_of(service) == {FIRST: "sh0p", SECOND: "d0cs"}
        await service.projects.switch(is_on=False)
        home.answer(SECOND, "d0cs")
        home.answer("00000003-1111-4222-8333-444444444444", "n3w")
        await read(heard)
        assert list(projects_of(service).values()) == ["sh0p", "d0cs", None]

        revision = service.hub.revision
        assert await service.projects.count() == 2
        await service.projects.forget()
        assert await service.projects.count() == 0
        assert set(projects_of(service).values()) == {None}
        told = await heard.until(lambda message: message.get("revision") == revision + 1)
        assert told["type"] == "projects_updated"
        await service.projects.forget()
        assert service.hub.revision == revision + 1


async def test_forgotten_names_are_nowhere_in_the_files(home: Home) -> None:
    """SQLite leaves what an update takes away where it was, and in its log; here it is overwritten, and the log cut."""
    for number in range(300):
        home.answer(f"1{number:07}-1111-4222-8333-444444444444", f"g0ne-{number}")
    service = home.service(project_names=True)
    async with running(service) as heard:
        await read(heard)
        assert await service.projects.count() == 302
        assert b"g0ne" in home.kept()
        await service.projects.forget()
        assert b"g0ne" not in home.kept()
    assert b"g0ne" not in home.kept()


async def test_forgotten_names_are_told_to_nobody_who_comes_back(home: Home) -> None:
    """What a page has missed is kept for it; with the names in it, it reads everything again instead."""
    service = home.service(project_names=True)
    async with running(service) as heard:
        position = service.hub.epoch, service.hub.revision
        await read(heard)
        with service.hub.subscribe(*position) as subscription:
            missed = [await subscription.get() or "" for _ in range(subscription._queue.qsize())]
        assert "sh0p" in "".join(missed)
        await service.projects.forget()
        with service.hub.subscribe(*position) as subscription:
            kinds = [json.loads(await subscription.get() or "")["type"] for _ in range(2)]
    assert kinds == ["hello", "resync"]


async def test_setting_decides_and_a_copied_database_keeps_no_names(home: Home) -> None:
    """No switch changes the file's setting; a switch holds for the machine on which it was set."""
    service = home.service(project_names=False)
    async with running(service):
        assert service.projects.fixed_by == "project_names"
        with pytest.raises(SourceFixed):
            await service.projects.switch(is_on=True)
        await service.projects.switch(is_on=False)
    service = home.service()
    async with running(service):
        await service.projects.switch(is_on=True)
    again = home.service()
    before = again.projects.is_on
    await again.sources.load()
    assert (before, again.projects.is_on) == (False, True)
    elsewhere = home.service()
    elsewhere.sources.choices.machine = "0" * 32
    await elsewhere.sources.load()
    assert not elsewhere.projects.is_on
    assert home.service(project_names=True).projects.is_on
