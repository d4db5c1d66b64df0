"""Real windows on a real X server with a window manager: whose time it was, within seconds of what the script did."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.server_process import HANG_S
from tests.ui.restartable_service import Service, entry

STRETCH_S = float(os.environ.get("TEST_STRETCH_S", "300"))
"""Five minutes; shorter by hand."""
CANARY = "KANARIENVOGEL"
SHARES = (("Cursor", 0.3), (None, 0.1), ("Zed", 0.2), ("Cursor", 0.15), ("claude", 0.15))
"""The app whose window is in front, and its share of the stretch; the rest nobody is there."""
PROGRAMS = {"Cursor": "cursor/cursor", "Zed": "zed-editor", None: "other-terminal", "claude": "terminal"}
TOLERANCE_S = 4.0
"""Each subject has at most two switches, of a tick and a little each."""


class Screen:
    """A screen of our own, with real windows of terminals that are called as apps are."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        read, write = os.pipe()
        server = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-nolisten", "tcp"]
        self._stack = stack
        stack.enter_context(ended(subprocess.Popen(server, pass_fds=[write], stderr=subprocess.DEVNULL)))
        os.close(write)
        with os.fdopen(read) as said:
            self.display = f":{int(said.readline())}"
        self.environment = {**os.environ, "DISPLAY": self.display, "HOME": str(folder)}
        self.folder = folder
        self.windows: dict[str | None, str] = {}
        self.fronts: list[tuple[str | None, float]] = []
        """The app whose window came to the front, and the time: on a busy machine later than it was asked for."""
        self._run("openbox")
        for name, path in PROGRAMS.items():
            program = folder / "programs" / path
            program.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(shutil.which("xterm")), program)
            self.open_window(name, program)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.enter_context(ended(process))
        return process

    def open_window(self, name: str | None, program: Path) -> None:
        """Open a window of ``program`` whose title, class and arguments nobody may read; wait until it is there."""
        inside = ["cat"]
        if name == "claude":
            command = self.folder / "programs" / "claude"
            shutil.copy("/bin/sh", command)
            inside = [str(command), "-c", f"while read x; do echo {CANARY} $x; done", CANARY]
        title = f"{CANARY} {name}"
        self._run(str(program), "-T", title, "-e", *inside)
        found = self.ask("search", "--sync", "--limit", "1", "--name", f"^{title}$")
        self.windows[name] = found

    def ask(self, *words: str) -> str:
        """Return what xdotool says."""
        answer = subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def use(self, name: str | None, seconds: float) -> None:
        """Bring a window to the front and type in it every few seconds."""
        self.ask("windowactivate", "--sync", self.windows[name])
        self.fronts.append((name, time.monotonic()))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.ask("key", "a", "Return")
            time.sleep(min(5.0, left))

    def times(self) -> dict[str, float]:
        """Return how long each app's window was in front until now."""
        found: dict[str, float] = {}
        ends = [at for _, at in self.fronts[1:]]
        for (name, began), ended_at in zip(self.fronts, ends, strict=False):
            if name is not None:
                found[name] = found.get(name, 0) + ended_at - began
        return found


def ended(process: subprocess.Popen[bytes]) -> ExitStack:
    """Return what ends ``process``."""
    stack = ExitStack()
    stack.callback(process.wait, HANG_S)
    stack.callback(process.kill)
    return stack


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """Open a screen."""
    with ExitStack() as stack:
        yield Screen(tmp_path, stack)


def test_time_in_front_is_within_seconds_of_the_truth(screen: Screen, tmp_path: Path) -> None:
    """Apps, a command in its terminal, other windows, and nobody: each has the seconds that it had, and no other."""
    variables = {"DISPLAY": screen.display, "AICO_ACTIVITY_KINDS": "apps, commands", "WAYLAND_DISPLAY": ""}
    with Service(tmp_path, variables) as service:
        service.ledger.write(entry("1001", cost=0.5))
        service.database.parent.mkdir(mode=0o700)
        screen.use(None, 1)
        service.start()
        wait_until_seen(service, {"Cursor", "Zed", "claude"})
        for name, share in SHARES:
            screen.use(name, share * STRETCH_S)
        screen.use(None, 0.1)
        truth = screen.times()
        subjects = wait_until_stored(service, truth)
        running = {each["subject"] for each in subjects if each["is_running"]}
        assert {name for name in running if not runs_elsewhere(str(name), tmp_path)} == {"Cursor", "Zed", "claude"}
        assert CANARY not in httpx.get(f"{service.url}/api/activity", timeout=HANG_S).text
        service.stop()
        assert CANARY not in service.output()
    assert all(CANARY.encode() not in path.read_bytes() for path in service.database.parent.rglob("*.db*"))


def runs_elsewhere(name: str, folder: Path) -> bool:
    """Return whether somebody else on this machine runs a program of this name, and nobody in ``folder`` does."""
    commands: list[list[str]] = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    named = ["\n".join(words) for words in commands if name in {Path(word).name for word in words[:5]}]
    return any(str(folder) not in words for words in named) and not any(str(folder) in words for words in named)


def ask(service: Service) -> dict[str, object]:
    """Return the activity of all time."""
    answer: dict[str, object] = httpx.get(f"{service.url}/api/activity?from=0", timeout=HANG_S).json()
    return answer


def wait_until_stored(service: Service, truth: dict[str, float]) -> list[dict[str, object]]:
    """Return the subjects as soon as they have the seconds of ``truth``; a scan stores them, every 15 seconds."""
    deadline = time.monotonic() + HANG_S
    while True:
        subjects = ask(service)["subjects"]
        assert isinstance(subjects, list)
        found = {each["subject"]: each["seconds"] for each in subjects if each["seconds"]}
        if found.keys() == truth.keys() and all(abs(found[name] - truth[name]) <= TOLERANCE_S for name in truth):
            return subjects
        assert time.monotonic() < deadline, (found, truth)
        time.sleep(0.5)


def wait_until_seen(service: Service, names: set[str]) -> None:
    """Return when all of ``names`` are seen to run, and the screen is looked at."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        answer = ask(service)
        subjects, kinds = answer["subjects"], answer["kinds"]
        assert isinstance(subjects, list)
        assert isinstance(kinds, list)
        if names <= {each["subject"] for each in subjects if each["is_running"]}:
            assert {(kind["state"], kind["reason"]) for kind in kinds if kind["enabled"]} == {("watching", None)}
            return
        time.sleep(0.2)
    raise AssertionError(f"only {subjects} were seen:\n{service.output()}")
