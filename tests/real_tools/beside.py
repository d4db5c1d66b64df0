"""Helpers beside a real command line: an API that notes its answers, and the service that reads the tool's files."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple

from websockets.sync.client import connect

from tests.e2e.server_process import ServerProcess, prepare_database

_PATIENCE_S = 120
ORDINARY = {"AICO_DEBOUNCE_MS": "50", "AICO_TICK_S": "2", "AICO_RESCAN_INTERVAL_S": "60"}
"""The service's times as they are where nobody sets them."""


class Sent(NamedTuple):
    """One request, and the numbers that it was answered with."""

    number: int
    role: str
    model: str
    outcome: str = "ok"
    """``ok``, ``cut`` (the stream broke), ``nousage`` or ``failed``."""

    @property
    def tokens(self) -> tuple[int, int, int, int]:
        """Prompt with cache, cache, output without and with reasoning apart: different for each request."""
        return 10_000 + 10 * self.number, 4_000 + self.number, 300 + self.number, 70 + self.number

    def as_truth(self) -> dict[str, object]:
        """Return it as recorded homes keep it."""
        sent, cached, got, thought = self.tokens
        numbers = {"prompt_tokens": sent, "cached_in_prompt": cached, "output": got, "thoughts": thought}
        return {"n": self.number, "role": self.role, "model": self.model, "outcome": self.outcome, **numbers}


class Handler(BaseHTTPRequestHandler):
    """Answers requests; a tool's own handler says how."""

    protocol_version = "HTTP/1.1"
    sent: ClassVar[list[Sent]] = []
    ended: ClassVar[dict[int, float]] = {}
    """When the last byte of an answer left, by the monotonic clock."""
    lock = threading.Lock()

    def take(self) -> dict[str, object]:
        """Return the request's body."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body if isinstance(body, dict) else {}

    def note(self, role: str, model: str, outcome: str = "ok") -> Sent:
        """Note what will be sent."""
        with self.lock:
            sent = Sent(len(self.sent) + 1, role, model, outcome)
            self.sent.append(sent)
        return sent

    def begin_stream(self) -> None:
        """Begin a stream of events."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def send_event(self, event: object) -> None:
        """Send one event of a stream."""
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\r\n\r\n")
        self.wfile.flush()

    def send_json(self, body: object, status: int = 200) -> None:
        """Send a whole answer."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def end(self, sent: Sent) -> None:
        """Note that all of an answer was sent."""
        self.ended[sent.number] = time.monotonic()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def fake_api(handler: type[Handler]) -> Iterator[str]:
    """Yield the address of an API on loopback; what it has sent stands in ``handler``."""
    handler.sent, handler.ended = [], {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, patience_s: float = 90) -> None:
    """Run a command line to its end, or kill it after ``patience_s``."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), patience_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        print(" ".join(command[1:]), "-> killed")
        return
    print(" ".join(command[1:]), "->", process.returncode, output.decode(errors="replace").strip()[-100:])


def measure_live(home: Path, source: str, handler: type[Handler], run_once: Callable[[], None], times: int) -> None:
    """Print how long after the end of an answer the service, with the tool's home, says that it is booked."""
    prepare_database(home)
    frames: list[float] = []
    with (
        ServerProcess(home, {"AICO_SOURCES": source, **ORDINARY}) as server,
        connect(f"{server.url.replace('http', 'ws', 1)}/ws", open_timeout=_PATIENCE_S) as socket,
    ):

        def listen() -> None:
            for text in socket:
                message = json.loads(text)
                if message.get("type") == "usage_updated":
                    frames.append(time.monotonic())

        listener = threading.Thread(target=listen)
        listener.start()
        took = []
        for _ in range(times):
            before = len(handler.sent)
            run_once()
            end = max(handler.ended[sent.number] for sent in handler.sent[before:] if sent.role == "main")
            after = [frame for frame in frames if frame > end]
            took.append((after[0] - end) * 1000 if after else float("nan"))
        socket.close()
        listener.join()
    shown = ", ".join(f"{each:.0f}" for each in took)
    print(f"live, ms from the end of an answer to the frame: {shown}; median {statistics.median(took):.0f}")


def differ(title: str, expected: Mapping[str, object], found: Mapping[str, object]) -> int:
    """Print what two sides say; return 1 where they differ."""
    print("same  " if found == expected else "DIFFER", title)
    if found == expected:
        return 0
    print("  expected", expected)
    print("  found   ", found)
    return 1
