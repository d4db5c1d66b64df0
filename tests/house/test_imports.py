"""Importing does nothing; asking for the version loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import msgspec
import pytest

import aico
from tests.core.repository_on_file import copy_of_template

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("fastapi", "starlette", "uvicorn")
ASK = """
import runpy, sys
sys.argv = ["aico", {option!r}]
try:
    runpy.run_module("aico", run_name="__main__", alter_sys=True)
except SystemExit as end:
    print("code", end.code or 0)
print("heavy", *(name for name in {heavy!r} if name in sys.modules))
"""

SERVE = """
import asyncio, gc, sys
from pathlib import Path
from aico.cli import main
main(["config", "show"])
print("frozen", gc.isenabled() and gc.get_freeze_count() > 10_000)
import aico.cli.serve, aico.main
from aico.core.db.database import Database
async def start():
    database = Database(Path(sys.argv[1]))
    await database.open()
    await database.close()
asyncio.run(start())
from aico.core.settings import Settings
aico.main.create_app(Settings(ledger_path="/nowhere/taskHistory.json", database_path=sys.argv[1]))
heavy = ("alembic", "httpx", "prometheus_client", "grpc", "google.protobuf")
heavy += ("opentelemetry.sdk", "aico.services.exporter", "sqlalchemy", "aico.core.db.schema")
print("heavy", *(name for name in heavy if name in sys.modules))
"""


class Findings(TypedDict):
    """The output of the probe."""

    names: list[str]
    deeds: list[str]


def run(arguments: list[str], home: Path) -> str:
    """Run a fresh interpreter without bytecode, user settings or our environment; return what it prints."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-I", "-B", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=home, env=environment).stdout


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Import every module once for all tests here, and return what that did."""
    printed = run([str(Path(__file__).with_name("import_probe.py"))], tmp_path_factory.mktemp("home"))
    return msgspec.json.decode(printed, type=Findings)


@pytest.mark.slow
def test_importing_any_module_does_nothing(findings: Findings) -> None:
    """No module opens a socket, writes, starts a thread or a process, or asks the environment when imported."""
    assert findings["deeds"] == []


@pytest.mark.slow
def test_the_probe_imports_every_module(findings: Findings) -> None:
    """Every Python file of the package was really imported."""
    files = {path.relative_to(ROOT / "app").with_suffix("") for path in (ROOT / "app").rglob("*.py")}
    expected = {".".join(path.parts).removesuffix(".__init__") for path in files} - {"aico"}
    assert expected <= set(findings["names"])


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_asking_about_the_program_loads_no_framework(option: str, tmp_path: Path) -> None:
    """``--version`` and ``--help`` answer at once because FastAPI and its kin stay unloaded."""
    printed = run(["-c", ASK.format(option=option, heavy=HEAVY)], tmp_path).splitlines()
    assert printed[-2:] == ["code 0", "heavy"]


def test_version_is_printed(tmp_path: Path) -> None:
    """``--version`` prints the version of the package."""
    assert aico.__version__ in run(["-m", "aico", "--version"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("is_new", [False, True])
def test_start_loads_nothing_in_vain(tmp_path: Path, *, is_new: bool) -> None:
    """SQLAlchemy, HTTPX, Prometheus' library and what exports stay out; no garbage is looked for in what is loaded."""
    path = tmp_path / "new.db" if is_new else copy_of_template(tmp_path)
    assert run(["-c", SERVE, str(path)], tmp_path).splitlines()[-2:] == ["frozen True", "heavy"]
