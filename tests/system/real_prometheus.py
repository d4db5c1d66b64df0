"""A real Prometheus that scrapes a service, with the files that we ship, on a port of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httpx

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "prometheus"
HANG_S = 60.0
_PATH = os.pathsep.join([str(ROOT / ".make" / "prometheus" / "usr" / "bin"), os.environ.get("PATH", "")])
_LISTENS = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')
_INTERVAL = re.compile(r"((?:scrape_|evaluation_)?)interval: \w+")
_PAUSE_S = 0.05


def program(name: str) -> str:
    """Return the path of one of Prometheus' programs."""
    found = shutil.which(name, path=_PATH)
    assert found is not None, f"{name} is missing: `make test-system` gets it"
    return found


def promtool(*arguments: str, given: str = "", folder: Path = SHIPPED) -> subprocess.CompletedProcess[str]:
    """Run promtool in a folder of what we ship; return what it said."""
    command = [program("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=HANG_S, check=False)


class Prometheus:
    """One that runs."""

    def __init__(self, authority: str) -> None:
        self.url = f"http://{authority}"
        self._url = f"{self.url}/api/v1"

    def get(self, path: str, **parameters: str) -> object:
        """Return the ``data`` of an answer of its interface."""
        answer = httpx.get(f"{self._url}/{path}", params=parameters, timeout=HANG_S, trust_env=False)
        return cast("object", answer.raise_for_status().json()["data"])

    def wait_until_ready(self) -> None:
        """Return as soon as questions are answered: it listens before that, and says 503."""
        deadline = time.monotonic() + HANG_S
        while httpx.get(f"{self.url}/-/ready", timeout=HANG_S, trust_env=False).status_code != 200:
            assert time.monotonic() < deadline, "Prometheus does not become ready"
            time.sleep(_PAUSE_S)

    def query(self, expression: str) -> list[float]:
        """Return the numbers that ``expression`` has now, those that are none left out."""
        data = cast("dict[str, list[dict[str, list[str]]]]", self.get("query", query=expression))
        values = [float(sample["value"][1]) for sample in data["result"]]
        return [value for value in values if value == value]  # noqa: PLR0124  # what is not itself is no number

    def wait_for(self, expression: str, wanted: Callable[[list[float]], bool] = bool) -> list[float]:
        """Return the numbers of ``expression`` as soon as they are as ``wanted``: without more, as there are any."""
        deadline = time.monotonic() + HANG_S
        while not wanted(found := self.query(expression)):
            assert time.monotonic() < deadline, f"{expression} stays {found}"
            time.sleep(_PAUSE_S)
        return found


@contextmanager
def prometheus(
    folder: Path, target: str, shipped: Path = SHIPPED, listed: str = "127.0.0.1:8611"
) -> Iterator[Prometheus]:
    """Run Prometheus in ``folder`` with our configuration, on ``target`` in the place of ``listed``, every second.

    A scrape that takes longer than that fails, and its series have no value then: what is asked for is waited for.
    """
    (folder / "config").mkdir()
    for path in shipped.glob("*.yml"):
        text = path.read_text(encoding="utf-8").replace(listed, target)
        (folder / "config" / path.name).write_text(_INTERVAL.sub(r"\1interval: 1s", text), encoding="utf-8")
    config = folder / "config" / "prometheus.yml"
    assert target in config.read_text(encoding="utf-8")
    log = folder / "log"
    arguments = {"config.file": config, "storage.tsdb.path": folder / "data", "web.listen-address": "127.0.0.1:0"}
    command = [program("prometheus"), *(f"--{name}={value}" for name, value in arguments.items())]
    command.append("--web.enable-remote-write-receiver")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        found = Prometheus(_wait_for_address(process, log))
        found.wait_until_ready()
        yield found
    finally:
        process.terminate()
        try:
            process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + HANG_S
    while True:
        text = log.read_text(encoding="utf-8", errors="replace")
        if found := _LISTENS.search(text):
            return found.group(1)
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(_PAUSE_S)
