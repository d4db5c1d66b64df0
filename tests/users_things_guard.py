"""Keeps the tests away from what belongs to the user who runs them: home, settings, data, tools, the default port.

``isolate`` gives this process and all its children a home of its own and takes the user's settings from them.
``watch`` then refuses to open, list, make, rename, change or remove anything in the user's folders, and to use the
default port, in this process. It keeps a note of it: the test fails, whatever becomes of the refusal.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

DEFAULT_PORT = 8611
APP = "ai-cost-observer"
HOME_VARIABLE, FOLDERS_VARIABLE = "TESTS_USERS_HOME", "TESTS_USERS_FOLDERS"
"""Tell the processes among which a run is divided what the first of them found."""
SETTINGS_OF_USERS = ("AICO_", "CLINE_", "KIMI_", "OTEL_", "XDG_")
"""How the names begin of the variables that tell the service and the tools around it what the user wants."""
OF_THE_RUN = {"AICO_SEED", "AICO_SOAK"}
"""Choose what the tests do, and are no settings of the service."""
ROOT = Path(__file__).resolve().parents[1]

touched: list[str] = []
"""The things refused since the last look at it."""
_let_through: list[None] = []


class UsersThing(AssertionError):
    """A test has reached for something that is the user's."""

    def __init__(self, thing: str) -> None:
        super().__init__(f"a test reaches for {thing}, which belongs to the user who runs the tests")


def users_home() -> Path:
    """Return the home of the user who runs the tests."""
    return Path(os.environ.get(HOME_VARIABLE) or os.environ.get("HOME") or "/").resolve()


def users_folders() -> list[Path]:
    """Return where the service and Cline keep their files for the user, as the user's variables say."""
    if FOLDERS_VARIABLE in os.environ:
        return [Path(folder) for folder in os.environ[FOLDERS_VARIABLE].split(os.pathsep)]
    named = [os.environ[name] for name in ("CLINE_DIR", "CLINE_DATA_DIR", "CLINE_DB_DATA_DIR") if os.environ.get(name)]
    ours = (platformdirs.user_data_path(APP), platformdirs.user_config_path(APP))
    return [users_home() / ".cline", *ours, *map(Path, named)]


def isolate() -> Path:
    """Give this process and its children an empty home and no setting of the user, and return the home."""
    folders, users = os.pathsep.join(map(str, users_folders())), str(users_home())
    for name in list(os.environ):
        if name.startswith(SETTINGS_OF_USERS) and name not in OF_THE_RUN:
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="aico-tests-")).resolve()
    os.environ |= {HOME_VARIABLE: users, FOLDERS_VARIABLE: folders, "HOME": str(home)}
    # Git trusts a checkout of somebody else's only by a setting, and those of the user are out of reach now.
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(ROOT)}
    return home


def watch() -> None:
    """Refuse and note whatever this process does from now on in the user's folders or with the default port."""
    guarded = tuple(f"{folder}/" for folder in users_folders())

    def refuse(thing: str) -> None:
        if not _let_through:
            touched.append(thing)
            raise UsersThing(thing)

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event in _ADDRESS_EVENTS:
            address = arguments[1]
            if isinstance(address, tuple) and len(address) > 1 and address[1] == DEFAULT_PORT:
                refuse(f"port {DEFAULT_PORT}")
        for given in arguments[: _PATHS_OF_EVENTS.get(event, 0)]:
            if isinstance(given, str | bytes | os.PathLike):
                path = os.fsdecode(given).removeprefix("file:")
                if f"{path}/".startswith(guarded):
                    refuse(path)

    sys.addaudithook(look)


_ADDRESS_EVENTS = {"socket.connect", "socket.bind"}
_PATHS_OF_EVENTS = {
    **dict.fromkeys(("open", "sqlite3.connect", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir"), 1),
    **dict.fromkeys(("os.chmod", "os.chown", "os.truncate", "os.utime"), 1),
    **dict.fromkeys(("os.rename", "os.link"), 2),
}
"""How many paths an event begins with. Source: Python's table of audit events; a look at metadata has none."""


@contextmanager
def let_through() -> Iterator[None]:
    """Refuse nothing until the block ends."""
    _let_through.append(None)
    try:
        yield
    finally:
        _let_through.pop()


@contextmanager
def default_port_taken() -> Iterator[None]:
    """Let another program have the default port until the block ends: it never answers, or it has the port already.

    It is bound and nothing else: nobody's service is called.
    """
    with socket.socket() as holder:
        with let_through(), suppress(OSError):  # somebody has it, which is as good
            holder.bind(("127.0.0.1", DEFAULT_PORT))
        yield


def remove(home: Path) -> None:
    """Remove what ``isolate`` has made."""
    shutil.rmtree(home, ignore_errors=True)
