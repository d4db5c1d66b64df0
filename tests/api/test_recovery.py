"""A lost database, as users of the service learn of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from aico.cli.doctor.database import examine_database
from aico.cli.status import show_status
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService
from tests.api.conftest import Serve
from tests.core.database_damage import set_contents
from tests.e2e.fake_cline_ledger import LedgerFile, entry


@pytest.fixture
async def status(serve: Serve, ledger: LedgerFile, tmp_path: Path) -> dict[str, object]:
    """Return the status of a service whose database was overwritten while it was stopped."""
    ledger.write(entry("a"))
    async with serve() as api:
        assert (await api.import_ledger()).status_code == 200
        assert (await api.get("/api/cline/status")).json()["recovery"] is None
    set_contents(tmp_path / "data" / "observer.db", b"<html>" * 10_000)
    async with serve() as api:
        assert (await api.import_ledger()).json()["skipped_count"] <= 1
        answer: dict[str, object] = (await api.get("/api/cline/status")).json()
        return answer


def test_status_says_what_was_lost(status: dict[str, object]) -> None:
    """The status names the lost file and its replacement, and that something may be missing; the ledger is imported."""
    recovery = status["recovery"]
    assert isinstance(recovery, dict)
    assert str(recovery["set_aside"]).startswith("observer.db.corrupt-")
    assert (recovery["backup"], recovery["backup_at"]) == (None, None)
    assert "is missing unless" in str(recovery["text"])
    assert status["task_count"] == 1


def test_command_status_says_what_was_lost(
    status: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``aico status`` prints it, and as JSON holds all of it."""

    async def get_status(_self: RunningService) -> dict[str, object]:
        return status

    async def list_sources(_self: RunningService) -> list[dict[str, object]]:
        return []

    async def get_export(_self: RunningService) -> None:
        return None

    monkeypatch.setattr(RunningService, "get_status", get_status)
    monkeypatch.setattr(RunningService, "get_export", get_export)
    monkeypatch.setattr(RunningService, "list_sources", list_sources)
    monkeypatch.setattr(RunningService, "list_limits", list_sources)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(tmp_path / "data" / "observer.db"))
    lock = InstanceLock(tmp_path / "data" / "observer.db").acquire("http://127.0.0.1:1")
    show_status(argparse.Namespace(json=False))
    said = capsys.readouterr().out
    show_status(argparse.Namespace(json=True))
    lock.release()
    assert "database     The database was lost (no database)" in said
    assert json.loads(capsys.readouterr().out)["recovery"] == status["recovery"]


def test_doctor_says_what_was_lost(status: dict[str, object], tmp_path: Path) -> None:
    """``aico doctor`` warns until the lost file is gone, and counts the backups."""
    settings = Settings(ledger_path=str(tmp_path / "taskHistory.json"), database_path=tmp_path / "data" / "observer.db")
    assert "recovery" in {finding.subject for finding in examine_database(settings)}
    recovery = status["recovery"]
    assert isinstance(recovery, dict)
    (tmp_path / "data" / str(recovery["set_aside"])).unlink()
    assert "recovery" not in {finding.subject for finding in examine_database(settings)}
