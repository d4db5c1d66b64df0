"""A tree of logs among the sources of a service: what is told of it, on, off, being read, and read in part."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.settings import Settings
from aico.features.files import line_feed
from aico.features.sources.source import Place
from aico.services import service as service_module
from aico.services.service import ObserverService
from aico.services.source_shapes import SourceOut
from aico.services.source_states import SourceState, SourceUsage
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import now_ms
from tests.services.heard_service import running
from tests.sources.invented_lines import SOURCE, LogFolder, use
from tests.sources.pipeline import intakes_of


@pytest.fixture
def logs(tmp_path: Path) -> LogFolder:
    """Return an empty root."""
    return LogFolder(tmp_path.resolve() / "logs")


def service_of(logs: LogFolder, *, enabled: bool = True, known: tuple[Path, ...] = ()) -> ObserverService:
    """Return a service that reads ``logs`` alone, or the places that the source has ``known``, and is not started."""
    folder = logs.path.parent
    source, chosen = SOURCE, {"enabled": enabled, "roots": (str(logs.path),)}
    if known:
        places = tuple(Place(str(path), "default") for path in known)
        source, chosen = (
            replace(SOURCE, origins=(replace(SOURCE.origins[0], places=lambda _around: places),)),
            {"enabled": enabled},
        )
    settings = Settings.model_validate(
        {
            "ledger_path": str(folder / "nowhere" / "taskHistory.json"),
            "database_path": folder / "own" / "observer.db",
            "sources": {SOURCE.id: chosen},
            "tick_s": 0.1,
            "rescan_interval_s": 1,
            "debounce_ms": 10,
        }
    )
    return ObserverService(settings, "1.2.3", now_ms, sources=(source,))


async def state_of(service: ObserverService) -> SourceState:
    """Return how the source is."""
    [state] = await service.sources.list_states()
    return state


def stored(service: ObserverService) -> int:
    """Return the sum of all tokens that are stored."""
    [(tokens,)] = read_rows(service.database.path, "SELECT IFNULL(SUM(input), 0) FROM usage_event")
    assert isinstance(tokens, int)
    return tokens


async def test_first_reading_tells_its_progress_in_bytes(logs: LogFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket hears of it while it lasts, and what is found are the files and bytes below the root."""
    monkeypatch.setattr(line_feed, "CHUNK_FILES", 4)
    monkeypatch.setattr(service_module, "_PROGRESS_S", 0.0)
    for number in range(20):
        path = logs.append(f"a/{number:02}.jsonl", use(f"{number:02}", 1))
    size = 20 * path.stat().st_size
    service = service_of(logs)
    async with running(service) as heard:
        await heard.until_true(lambda: stored(service) == 20)
        progress = heard.of_kind("reading")
        state = await state_of(service)
    assert [message["bytes_done"] for message in progress] == [size * part // 5 for part in range(1, 5)]
    assert {message["bytes_total"] for message in progress} == {size}
    assert {message["source"] for message in progress} == {SOURCE.id}
    assert state.found is not None
    assert (state.found.files, state.found.bytes, state.reading) == (20, size, None)
    assert SourceOut.of(SourceUsage(state)).reading is None


async def test_what_is_not_read_is_told_and_not_logged_by_name(
    logs: LogFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A linked folder is no failure of the others: the state is well, the sentence names the link and the setting."""
    caplog.set_level(logging.INFO)
    other = LogFolder(logs.path.with_name("other"))
    (logs.path / "secret-project").symlink_to(other.path)
    logs.append("a/one.jsonl", use("1", 1))
    service = service_of(logs)
    async with running(service) as heard:
        await heard.until_true(lambda: stored(service) == 1)
        await heard.until_well()
        [origin] = (await state_of(service)).origins
        assert (origin.state, origin.reason) == ("watching", None)
        assert origin.problem is not None
        assert f"{logs.path}/secret-project is a link to {other.path}" in origin.problem
        assert "[sources.invented-lines] roots" in origin.problem
    told = [record for record in caplog.records if "not read" in record.getMessage()]
    assert len(told) == 1
    assert "secret-project" not in caplog.text


async def test_root_behind_a_link_is_refused_in_a_sentence(tmp_path: Path, logs: LogFolder) -> None:
    """With its real path and the setting."""
    link = logs.path.with_name("link")
    link.symlink_to(logs.path)
    logs.append("a/one.jsonl", use("1", 1))
    linked = LogFolder.__new__(LogFolder)
    linked.path = link
    service = service_of(linked)
    async with running(service) as heard:
        await heard.until_true(lambda: service.list_problems() == ["source_path_refused"])
        [origin] = (await state_of(service)).origins
        assert origin.problem is not None
        assert str(logs.path) in origin.problem
        assert "[sources.invented-lines] roots" in origin.problem
    assert stored(service) == 0


async def test_restart_goes_on_behind_the_checkpoints(logs: LogFolder) -> None:
    """And so does a command that imports while no service runs."""
    logs.append("a/one.jsonl", use("1", 1))
    service = service_of(logs)
    async with running(service) as heard:
        await heard.until_true(lambda: stored(service) == 1)
    logs.append("a/one.jsonl", use("2", 2))
    again = service_of(logs)
    async with running(again) as heard:
        await heard.until_true(lambda: stored(again) == 3)
        [intake] = intakes_of(again.ingest)
        await again.ingest.finish(intake.key)
        receipt = again.ingest.last_receipts[intake.key]
        assert (receipt.imported_count, receipt.skipped_count) == (1, 0)


async def test_known_place_that_is_not_there_makes_no_state_beside_another(logs: LogFolder) -> None:
    """A tool writes to one of its known places: that one is watched, and the other is not waited for in public."""
    service = service_of(logs, known=(logs.path.parent / "elsewhere", logs.path))
    logs.append("a/one.jsonl", use("r", 5))
    async with running(service) as heard:

        async def is_watched() -> bool:
            return (await state_of(service)).state == "watching"

        await heard.until_true(is_watched)
        [origin] = (await state_of(service)).origins
        assert (origin.reason, origin.problem, origin.paths) == (None, None, (str(logs.path),))


async def test_few_of_many_reasons_are_told_and_the_rest_is_counted(logs: LogFolder) -> None:
    """A tree of links does not fill every answer with their names."""
    real = logs.append("a/one.jsonl", use("r", 5))
    for number in range(7):
        real.with_name(f"link-{number}.jsonl").symlink_to(real)
    service = service_of(logs)
    async with running(service) as heard:
        await heard.until_true(lambda: stored(service) == 5)
        [origin] = (await state_of(service)).origins
        assert origin.problem is not None
        assert origin.problem.count("link-") == 5
        assert origin.problem.endswith(" 2 more are not read for such reasons.")
