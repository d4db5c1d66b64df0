"""The guard of what is the user's is awake, and guards what the service would use by itself."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aico.core.settings import Settings
from tests import users_things_guard
from tests.users_things_guard import (
    DEFAULT_PORT,
    UsersThing,
    default_port_taken,
    let_through,
    users_folders,
    users_home,
)

_DEFAULTS = "from aico.core.settings import load_settings; print(load_settings().settings.database_path)"


def _connect() -> None:
    with socket.socket() as client:
        client.connect_ex(("127.0.0.1", DEFAULT_PORT))


def _bind() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", DEFAULT_PORT))


def _open() -> None:
    (users_folders()[1] / "observer.db").read_bytes()


def _connect_to_database() -> None:
    sqlite3.connect(f"file:{users_folders()[1] / 'observer.db'}?mode=ro", uri=True)


def _list() -> None:
    os.listdir(users_home() / ".cline")  # noqa: PTH208  # as the guard of the ledger does


def _rename_into() -> None:
    Path("nothing").rename(users_folders()[1] / "observer.db")


def _change() -> None:
    (users_folders()[1] / "observer.db").chmod(0o600)


@pytest.mark.parametrize("reach", [_connect, _bind, _open, _connect_to_database, _list, _rename_into, _change])
def test_reaching_for_what_is_the_users_is_refused_and_noted(reach: Callable[[], None]) -> None:
    """The default port and the user's folders are out of reach, and a test that swallows the refusal fails, too."""
    with pytest.raises(UsersThing):
        reach()
    noted, users_things_guard.touched[:] = list(users_things_guard.touched), []
    assert len(noted) == 1


def test_guarded_are_the_defaults_of_the_service() -> None:
    """Port and folder are those that the service of the user would use."""
    assert Settings.model_fields["port"].default == DEFAULT_PORT
    home = {"HOME": str(users_home())}
    found = subprocess.run([sys.executable, "-c", _DEFAULTS], env=home, capture_output=True, text=True, check=True)
    without_variables = {users_home() / "Library/Application Support", users_home() / ".local/share"}
    assert Path(found.stdout).parent in {folder / users_things_guard.APP for folder in without_variables}


def test_tests_and_their_children_have_a_home_without_settings() -> None:
    """The variables that a child inherits lead nowhere near the user's files."""
    code = "import os, pathlib; print(pathlib.Path.home(), *sorted(os.environ))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    home, *names = said.split()
    assert Path(home) != users_home()
    ours = [name for name in names if name.startswith(users_things_guard.SETTINGS_OF_USERS)]
    assert set(ours) <= users_things_guard.OF_THE_RUN


def test_default_port_can_be_taken_without_calling_it() -> None:
    """While the user's service, or its stand-in, has the port, nobody else gets it."""
    with default_port_taken(), let_through(), pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind(("127.0.0.1", DEFAULT_PORT))
