"""VictoriaMetrics' vmagent, where one is there that reads OpenTelemetry: it translates names by rules of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.held_port import held_port
from tests.system.real_prometheus import HANG_S

_OPTION = "-opentelemetry.usePrometheusNaming"
_PAUSE_S = 0.05


def find_vmagent() -> str | None:
    """Return the path of one; None where there is none, or an older one, such as that of Debian 12."""
    found = shutil.which("vmagent")
    if found is None:
        return None
    said = subprocess.run([found, "--help"], capture_output=True, text=True, timeout=HANG_S, check=False)
    return found if _OPTION in said.stdout + said.stderr else None


class Vmagent:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def take(self, request: bytes) -> None:
        """Hand it an export as it came over gRPC."""
        headers = {"Content-Type": "application/x-protobuf"}
        answer = httpx.post(
            f"{self._url}/opentelemetry/v1/metrics", content=request, headers=headers, timeout=HANG_S, trust_env=False
        )
        answer.raise_for_status()


@contextmanager
def vmagent(program: str, folder: Path, target: str) -> Iterator[Vmagent]:
    """Run one that writes what it takes to the Prometheus at ``target``."""
    with held_port() as port:
        yield from _vmagent(program, folder, target, f"127.0.0.1:{port}")


def _vmagent(program: str, folder: Path, target: str, authority: str) -> Iterator[Vmagent]:
    options = {
        "httpListenAddr": authority,
        "remoteWrite.url": f"{target}/api/v1/write",
        "remoteWrite.tmpDataPath": folder / "vmagent",
        "remoteWrite.flushInterval": "1s",
        "remoteWrite.forcePromProto": "true",
    }
    command = [program, _OPTION, *(f"-{name}={value}" for name, value in options.items())]
    with (folder / "vmagent.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(process, f"http://{authority}/health")
        yield Vmagent(f"http://{authority}")
    finally:
        process.terminate()
        process.wait(HANG_S)


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + HANG_S
    while True:
        try:
            if httpx.get(url, timeout=HANG_S, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it does not answer"
        time.sleep(_PAUSE_S)
