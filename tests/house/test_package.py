"""The wheel carries everything that runs, and runs without a checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from aico import __version__
from tests.e2e.server_process import HANG_S, ServerProcess
from tests.house.document_tables import documented_python

ROOT = Path(__file__).resolve().parents[2]
HOST = """
from fastapi import FastAPI

application = FastAPI()


@application.get("/health")
def read_health():
    return {"package": __package__}


"""
ASK_HOST = """
import asyncio, httpx
from app.main import application

async def ask():
    transport = httpx.ASGITransport(application)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8611") as client,
    ):
        own = await client.get("/health")
        ours = await client.get("/observer/api/cline/status")
    print(own.json()["package"], ours.status_code, ours.json()["version"])

asyncio.run(ask())
"""
FIND_MIGRATIONS = """
import sys
sys.path.insert(0, sys.argv[1])
from aico.core.db.revisions import migrations_path
print(migrations_path())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once for all tests here."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of a new environment into which pip has installed the wheel.

    Its dependencies are lent by this environment, so that no network is needed; the checkout is not.
    """
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    options = ["--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A folder named in a .pth file has none of its own read: the line that leads to the checkout stays unread.
    (site / "lent.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n", encoding="utf-8")
    return folder / "bin"


def tracked(folder: str) -> set[str]:
    """Return the names of the files below ``folder`` that git knows and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True).stdout
    return {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}


def test_wheel_carries_the_whole_package(wheel: Path) -> None:
    """Code, page, vendored scripts with their licences, and the mark of a typed package are in the wheel."""
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("app/") for name in tracked("app")} - held == set()
    assert {"aico/py.typed", "aico/web/index.html"} <= held


def test_wheel_carries_the_migrations_inside_the_package(wheel: Path) -> None:
    """The migrations travel as ``aico/migrations``, and nothing lands outside the package."""
    held = set(zipfile.ZipFile(wheel).namelist())
    moved = {name.replace("alembic/", "aico/migrations/", 1) for name in tracked("alembic")}
    assert moved
    assert moved - held == set()
    assert {name.partition("/")[0] for name in held if ".dist-info/" not in name} == {"aico"}


def test_installed_package_finds_its_own_migrations(wheel: Path, tmp_path: Path) -> None:
    """Outside a checkout the migrations beside the code are used."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = [sys.executable, "-I", "-c", FIND_MIGRATIONS, str(tmp_path)]
    found = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    assert found == str(tmp_path / "aico" / "migrations")


def test_wheel_names_the_command(wheel: Path) -> None:
    """Installing the wheel makes the command ``aico``."""
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "aico = aico.cli:main" in archive.read(name).decode()


def test_wheel_is_small(wheel: Path) -> None:
    """Everything, page included, comes in 1,050 kB at most (decision 34)."""
    assert wheel.stat().st_size <= 1_050_000


@pytest.mark.slow
def test_installed_command_knows_its_version_and_its_own_place(clean: Path, tmp_path: Path) -> None:
    """Installed by pip, the command runs from anywhere and from nothing but what was installed."""
    answer = subprocess.run([clean / "aico", "--version"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert answer.stdout == f"aico {__version__}\n"
    command = [str(clean / "python"), "-P", "-c", "import aico; print(aico.__file__)"]
    place = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert place.startswith(str(clean.parent))


@pytest.mark.slow
def test_installed_wheel_takes_no_name_but_its_own(clean: Path, tmp_path: Path) -> None:
    """Beside the installed wheel nothing is called ``app``, which is what other programs call themselves."""
    command = [str(clean / "python"), "-P", "-c", "import aico.main; import app"]
    answer = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert answer.stderr.rstrip().endswith("ModuleNotFoundError: No module named 'app'")


@pytest.mark.slow
def test_application_with_a_package_called_app_mounts_the_service(clean: Path, tmp_path: Path) -> None:
    """The documented lines work in a program whose own package has the name that ours once had."""
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(HOST + documented_python("docs/embedding.md"), encoding="utf-8")
    (tmp_path / "state").mkdir()
    places = {
        "LEDGER_PATH": tmp_path / "state" / "taskHistory.json",
        "DATABASE_PATH": tmp_path / "data" / "observer.db",
    }
    environment = {"HOME": str(tmp_path), **{f"AICO_{name}": str(path) for name, path in places.items()}}
    command = [str(clean / "python"), "-c", ASK_HOST]
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=HANG_S
    )
    assert answer.stdout.split() == ["app", "200", __version__]


class InstalledServer(ServerProcess):
    """The installed command, as it serves."""

    def __init__(self, folder: Path, command: Path) -> None:
        super().__init__(folder)
        self._command = [str(command), "serve"]


@pytest.mark.slow
def test_installed_command_serves_the_page_of_the_wheel(wheel: Path, clean: Path, tmp_path: Path) -> None:
    """``aico serve`` prints where it serves, becomes ready, and answers with the page that the wheel brought."""
    with InstalledServer(tmp_path, clean / "aico") as server, server.client() as client:
        assert server.url
        assert client.get("/readyz", timeout=HANG_S).status_code == 200
        held = zipfile.ZipFile(wheel)
        page = held.read("aico/web/index.html").decode()
        assert page.partition("</title>")[0] in client.get("/").text
        for path in re.findall(r'(?:src|href)="assets/([^"]+\.js)"', page):
            assert client.get(f"/assets/{path}").content == held.read(f"aico/web/{path}")
        assert server.stop() == 0
