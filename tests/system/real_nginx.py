"""A real nginx in front of a service, with the lines that our documents give."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.house.document_tables import documented_block

HANG_S = 30.0
NAME = "observer.test"
"""A name that no resolver knows: the client is told where it is."""
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {lines}
}}
"""


def program(name: str) -> str:
    """Return the path of a program that `make test-system` has seen to."""
    found = shutil.which(name, path=_PATH)
    assert found is not None, f"{name} is missing: `make test-system` gets it"
    return found


def make_certificate(folder: Path) -> Path:
    """Return a certificate of our own for :data:`NAME`; its key lies beside it, with the end ``.key``."""
    certificate = folder / "own.pem"
    command = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=HANG_S)
    return certificate


def documented_lines(service: str, certificate: Path, port: int) -> str:
    """Return the lines of our documents for the service at ``service``, on ``port`` of this machine."""
    lines = documented_block("docs/proxy.md", "nginx")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name example.org", f"server_name {NAME}"),
        ("/etc/ssl/example.org.pem", str(certificate)),
        ("/etc/ssl/example.org.key", str(certificate.with_suffix(".key"))),
        ("http://127.0.0.1:8611", service),
    ):
        assert lines.count(old) == 1, old
        lines = lines.replace(old, new)
    return lines


@contextmanager
def nginx(folder: Path, lines: str, port: int) -> Iterator[None]:
    """Run nginx with ``lines`` until the block ends; it listens on ``port`` by then."""
    folder.mkdir()
    folder.chmod(0o755)  # as root, its worker is another user
    config = folder / "nginx.conf"
    config.write_text(_MAIN.format(folder=folder, lines=lines), encoding="utf-8")
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, folder)
        yield
    finally:
        process.terminate()
        try:
            process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + HANG_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, re.sub(r"\0", "", (folder / "said").read_text(encoding="utf-8"))
        assert time.monotonic() < deadline, "nginx does not listen"
        time.sleep(0.02)
