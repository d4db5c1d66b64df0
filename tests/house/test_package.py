"""The wheel carries everything that runs, and runs without a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIND_MIGRATIONS = """
import sys
sys.path.insert(0, sys.argv[1])
from app.core.migrations import migrations_path
print(migrations_path())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once for all tests here."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def tracked(folder: str) -> set[str]:
    """Return the names of the files below ``folder`` that git knows and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True).stdout
    return {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}


def test_wheel_carries_the_whole_package(wheel: Path) -> None:
    """Code, page, vendored scripts with their licences, and the mark of a typed package are in the wheel."""
    held = set(zipfile.ZipFile(wheel).namelist())
    assert tracked("app") - held == set()
    assert {"app/py.typed", "app/web/index.html"} <= held


def test_wheel_carries_the_migrations_inside_the_package(wheel: Path) -> None:
    """The migrations travel as ``app/migrations``, and nothing lands outside the package."""
    held = set(zipfile.ZipFile(wheel).namelist())
    moved = {name.replace("alembic/", "app/migrations/", 1) for name in tracked("alembic")}
    assert moved
    assert moved - held == set()
    assert {name.partition("/")[0] for name in held if ".dist-info/" not in name} == {"app"}


def test_installed_package_finds_its_own_migrations(wheel: Path, tmp_path: Path) -> None:
    """Outside a checkout the migrations beside the code are used."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = [sys.executable, "-I", "-c", FIND_MIGRATIONS, str(tmp_path)]
    found = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    assert found == str(tmp_path / "app" / "migrations")


def test_wheel_names_the_command(wheel: Path) -> None:
    """Installing the wheel makes the command ``aico``."""
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "aico = app.cli:main" in archive.read(name).decode()
