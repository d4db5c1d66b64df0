"""A machine of its own for the tests of the commands that talk to the system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.fake_supervisors import FakePrograms
from tests.users_things_guard import SETTINGS_OF_USERS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home directory of a user without any setting, and with nothing on the PATH."""
    for name in list(os.environ):
        if name.startswith((*SETTINGS_OF_USERS, "WSL_")):
            monkeypatch.delenv(name)
    home = tmp_path.resolve() / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "somebody")  # the user of the tests may have no name, as in a container
    return home


@pytest.fixture
def programs(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Return an empty folder that is the whole PATH."""
    programs = FakePrograms(home.parent / "programs")
    programs.folder.mkdir()
    monkeypatch.setenv("PATH", str(programs.folder))
    return programs
