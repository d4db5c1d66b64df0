"""Origins that are off are counted by their metadata: in a thread, at most once a minute, and never opened."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.settings import Settings, load_settings
from aico.features.files import line_feed
from aico.features.files.feed import Feed, Look
from aico.features.sources import claude_code, cline
from aico.features.sources.source import Place, Source
from aico.services import sources as sources_module
from aico.services.service import ObserverService
from aico.services.source_shapes import SourceOut
from aico.services.source_states import Found, OriginState, SourceUsage
from bench.fake_session_store import SessionStore, core_metadata, usage
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.files.folder_witness import witnessing
from tests.services.heard_service import running
from tests.sources.invented_lines import SOURCE, LogFolder, use


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home directory, the user's own."""
    home = tmp_path.resolve() / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def logs(home: Path) -> LogFolder:
    """Return the root of a tool that appends to logs, with one file in it."""
    logs = LogFolder(home / ".lines/logs")
    logs.append("a/one.jsonl", use("1", 1))
    return logs


def service_of(home: Path, *sources: Source, **settings: object) -> ObserverService:
    """Return a service that is not started, where nothing but Cline's ledger is on."""
    known = {"ledger_path": str(home / ".cline/data/state/taskHistory.json"), "tick_s": 0.1, "debounce_ms": 10}
    made = Settings.model_validate({**known, "database_path": home.parent / "own/observer.db", **settings})
    return ObserverService(made, "1.2.3", now_ms, sources=sources)


async def origin_of(service: ObserverService, origin_id: str) -> OriginState:
    """Return how an origin of any source is."""
    [origin] = [each for state in await service.sources.list_states() for each in state.origins if each.id == origin_id]
    return origin


def lines_place(home: Path, logs: LogFolder) -> tuple[Source, str, Found]:
    """Lay out two files of a tree, and one that is not the tool's."""
    logs.append("b/two.jsonl", use("2", 2))
    (logs.path / "a/notes.txt").write_text("private")
    for number, name in enumerate(("a/one.jsonl", "b/two.jsonl")):
        os.utime(logs.path / name, (number, number))
    size = sum((logs.path / name).stat().st_size for name in ("a/one.jsonl", "b/two.jsonl"))
    return SOURCE, SOURCE.origins[0].id, Found(2, size, 1000)


def file_place(home: Path, _logs: LogFolder) -> tuple[Source, str, Found]:
    """Lay out a whole file, which would be on if nobody had switched it off."""
    ledger = LedgerFile(home / ".cline/data/state/taskHistory.json")
    ledger.write(entry("1"))
    os.utime(ledger.path, (5, 5))
    return cline.SOURCE, "ledger", Found(1, ledger.path.stat().st_size, 5000)


def database_place(home: Path, _logs: LogFolder) -> tuple[Source, str, Found]:
    """Lay out a database with its log, both closed."""
    path = home / ".cline/data/db/sessions.db"
    path.parent.mkdir(parents=True)
    store = SessionStore(path)
    store.put("s", core_metadata(usage(300, 20, 0.5)))
    store.close()
    for name in path.parent.iterdir():
        os.utime(name, (7, 7))
    size = sum(path.with_name(path.name + end).stat().st_size for end in ("", "-wal") if Path(f"{path}{end}").exists())
    return cline.SOURCE, "sessions", Found(1, size, 7000)


@pytest.fixture(params=[lines_place, file_place, database_place])
def place(
    request: pytest.FixtureRequest, home: Path, logs: LogFolder
) -> Callable[[Path, LogFolder], tuple[Source, str, Found]]:
    """Return what lays out the place of one reader."""
    layer: Callable[[Path, LogFolder], tuple[Source, str, Found]] = request.param
    return layer


def folders_of(home: Path) -> list[Path]:
    """Return every folder below ``home``."""
    return [path for path in home.rglob("*") if path.is_dir()]


async def test_what_is_off_is_counted_and_never_opened(
    home: Path, logs: LogFolder, place: Callable[[Path, LogFolder], tuple[Source, str, Found]]
) -> None:
    """Files, bytes and the last write are exact for each kind of reader; the kernel sees no file opened."""
    source, origin_id, expected = place(home, logs)
    service = service_of(home, source, sources={source.id: {"enabled": False}})
    folders = folders_of(home)
    with witnessing(*folders) as witness:
        async with running(service):
            origin = await origin_of(service, origin_id)
        assert {
            deed for deed in witness.deeds() if deed.name and not any(f.name == deed.name for f in folders)
        } == set()
    assert (origin.found, origin.enabled, origin.is_counted, origin.state) == (expected, False, True, "off")
    [state] = await service.sources.list_states()
    assert state.found is not None
    look = SourceOut.of(SourceUsage(state)).origins
    assert [each.look.files for each in look if each.look is not None and each.id == origin_id] == [expected.files]


async def test_what_is_off_is_counted_at_most_once_a_minute(
    home: Path, logs: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody asks."""
    began_s = time.monotonic()
    service = service_of(home, SOURCE)
    async with running(service):
        found = []
        for later_s in (0, 30, 61):
            monkeypatch.setattr(time, "monotonic", lambda later_s=later_s: began_s + later_s)
            origin = await origin_of(service, SOURCE.origins[0].id)
            found.append(origin.found and origin.found.files)
            logs.append(f"a/{len(found)}.jsonl", use("1", 1))
    assert found == [1, 1, 3]


class HeldFeed:
    """A tree that is so large that its count has not ended before the test says so."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        self.unwanted = False

    def count_of(self) -> Callable[[Feed, Callable[[], bool]], Look]:
        """Return what stands in for the count of any tree."""

        def count(_feed: Feed, is_unwanted: Callable[[], bool]) -> Look:
            self.began.set()
            while not self.may_end.wait(0.01):
                if is_unwanted():
                    self.unwanted = True
                    break
            return Look(None, 1_000_000_000, 9, 100_000)

        return count


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldFeed:
    """Let the count of every tree last, and no answer wait for it."""
    held = HeldFeed()
    monkeypatch.setattr(line_feed.LineFeed, "count", held.count_of())
    monkeypatch.setattr(sources_module, "PATIENCE_S", 0.0)
    return held


async def test_long_count_holds_nothing_up(home: Path, logs: LogFolder, held: HeldFeed) -> None:
    """Answers say that it is being counted, readings go on, and the number comes when it is there."""
    LedgerFile(home / ".cline/data/state/taskHistory.json").write(entry("1"))
    service = service_of(home, SOURCE, cline.SOURCE)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: costs == {"1": 0.5})
        origin = await origin_of(service, SOURCE.origins[0].id)
        assert (origin.found, origin.is_counted) == (None, False)
        assert (await origin_of(service, "ledger")).found is not None
        held.may_end.set()

        async def is_counted() -> bool:
            return (await origin_of(service, SOURCE.origins[0].id)).found == Found(100_000, 9, 1000)

        while not await is_counted():
            await asyncio.to_thread(held.began.wait)


async def test_long_count_ends_with_the_service(home: Path, logs: LogFolder, held: HeldFeed) -> None:
    """A caller that stops it does not wait for a walk through a large home."""
    service = service_of(home, SOURCE)
    async with running(service):
        await service.sources.list_states()
        await asyncio.to_thread(held.began.wait)
    assert held.unwanted


async def test_linked_root_that_is_off_is_named_and_not_followed(home: Path, logs: LogFolder) -> None:
    """With its real path and the setting that can name it; nothing of it is counted."""
    link = home / "link"
    link.symlink_to(logs.path)
    places = (Place(str(link), "default"),)
    source = replace(SOURCE, origins=(replace(SOURCE.origins[0], places=lambda _around: places),))
    service = service_of(home, source)
    async with running(service):
        origin = await origin_of(service, SOURCE.origins[0].id)
    assert (origin.found, origin.state) == (None, "off")
    assert origin.problem is not None
    assert str(logs.path) in origin.problem
    assert "[sources.invented-lines] roots" in origin.problem


async def test_count_without_a_service_waits_for_its_end(
    home: Path, logs: LogFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that looks once tells numbers, of what is on, too."""
    monkeypatch.setattr(sources_module, "PATIENCE_S", 0.0)
    LedgerFile(home / ".cline/data/state/taskHistory.json").write(entry("1"))
    states = await service_of(home, SOURCE, cline.SOURCE).sources.list_states()
    assert [state.found and state.found.files for state in states] == [1, 1]


async def test_ledger_of_an_editor_is_suggested_with_what_to_copy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at and not opened; the lines, pasted into a configuration, have both read."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "VSCODE_PORTABLE", "VSCODE_APPDATA", "VSCODE_AGENT_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    own = LedgerFile(home / ".cline/data/state/taskHistory.json")
    own.write(entry("1"))
    folder = home / ".config/Code/User/globalStorage/saoudrizwan.cline-nightly/state"
    folder.mkdir(parents=True)
    other = folder / "taskHistory.json"
    other.write_bytes(b"never read")
    os.utime(other, (9, 9))
    service = service_of(home, cline.SOURCE)
    with witnessing(folder) as witness:
        async with running(service):
            [state] = await service.sources.list_states()
        assert witness.deeds() == set()
    elsewhere = SourceOut.of(SourceUsage(state)).origins[0].elsewhere
    assert elsewhere is not None
    assert [(file.path, file.bytes, file.last_written_at) for file in elsewhere.files] == [(str(other), 10, 9000)]
    config = home / "config.toml"
    config.write_text(elsewhere.setting)
    assert tomllib.loads(elsewhere.setting) == {"sources": {"cline": {"ledgers": [str(own.path), str(other)]}}}
    assert load_settings({}, {"AICO_CONFIG": str(config)}).settings.ledgers == (str(own.path), str(other))


@pytest.mark.slow
async def test_tree_of_a_hundred_thousand_files_is_counted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude Code's folder of a heavy user: exact, and the first answer does not wait for it."""
    projects = home / ".claude/projects"
    for folder in range(100):
        (projects / f"p{folder}").mkdir(parents=True)
        for number in range(1000):
            (projects / f"p{folder}" / f"{number}.jsonl").touch()
    monkeypatch.setattr(sources_module, "PATIENCE_S", 0.0)
    service = service_of(home, claude_code.SOURCE)
    async with running(service):
        [first] = await service.sources.list_states()
        assert (first.found, first.origins[0].is_counted) == (None, False)
        monkeypatch.setattr(sources_module, "PATIENCE_S", 60.0)
        [second] = await service.sources.list_states()
        assert second.found is not None
        assert second.found.files == 100_000
