"""``python -m tests.real_tools.cline CLINE``: the real command line of Cline against a fake API, its databases watched.

Runs one session by itself and one in the hub, in a home of its own below the temporary directory, with an empty
environment and a dummy key. While each turn runs, our own reader asks both databases; at the end the file
names, the readings and what the fake API has sent are printed. Nothing leaves this machine but what Cline itself may
try to send.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aico.core.errors import SourceError
from aico.core.usage import MeterReading, Trigger
from aico.features.files.sqlite import SqliteFeed
from aico.features.sources.cline import hub, sessions
from aico.features.sources.source import ReadLimits

GAP_S = 0.5
"""Between two pieces of an answer: long enough to look at the databases meanwhile."""
USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
CACHED = {"prompt_tokens_details": {"cached_tokens": 100}}
LIMITS = ReadLimits(max_bytes=1 << 26, read_attempts=3, now_ms=lambda: int(time.time() * 1000))


class FakeApi(BaseHTTPRequestHandler):
    """Answers every chat with the same streamed words and usage."""

    sent: list[str]

    def do_POST(self) -> None:  # http.server's name
        """Stream one answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).sent.append(body["model"])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in ("All ", "done."):
            self._send(body["model"], [{"index": 0, "delta": {"role": "assistant", "content": piece}}])
            time.sleep(GAP_S)
        self._send(body["model"], [{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self._send(body["model"], [], {**USAGE, **CACHED})
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, model: str, choices: list[dict[str, object]], usage: dict[str, object] | None = None) -> None:
        piece = {"id": "x", "object": "chat.completion.chunk", "model": model, "choices": choices, "usage": usage}
        self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def fake_api() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of the fake API, and the models that it was asked for."""
    FakeApi.sent = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", FakeApi.sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def run_cline(command: str, home: Path, *arguments: str) -> str:
    """Run Cline to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        command,
        *arguments,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace")


async def watch(feeds: list[SqliteFeed], began_s: float, seen: dict[str, MeterReading]) -> None:
    """Print what each feed hands over, and keep the newest of each session, until cancelled."""
    while True:
        for feed in feeds:
            try:
                reading = await feed.read(Trigger.RESCAN)
            except SourceError as error:
                if not error.is_absent:
                    print(f"{time.monotonic() - began_s:6.2f} s  {feed.title}: {error}")
                continue
            feed.complete(reading)
            for record in reading.records:
                if isinstance(record, MeterReading):
                    seen[record.session] = record
                    said = [*record[2:10], record.state.name]
                    print(f"{time.monotonic() - began_s:6.2f} s  {feed.title}: {record.session} {said}")
        await asyncio.sleep(0.05)


async def main(command: str) -> None:
    """Run both sessions."""
    with tempfile.TemporaryDirectory(prefix="aico-cline-") as folder, fake_api() as (address, sent):
        home = Path(folder).resolve()
        database = home / ".cline/data/db"
        feeds = [
            sessions.QUERY.open(str(database / sessions.NAME), LIMITS),
            hub.QUERY.open(str(database / hub.NAME), LIMITS),
        ]
        seen: dict[str, MeterReading] = {}
        watching = asyncio.create_task(watch(feeds, time.monotonic(), seen))
        try:
            await run_cline(
                command, home, "auth", "openai-compatible", "-k", "dummy", "-b", address, "-m", "fake-model"
            )
            turn = ("-P", "openai-compatible", "--auto-approve", "true")
            await run_cline(command, home, *turn, "-m", "fake-model", "say that all is done")
            await run_cline(command, home, *turn, "--zen", "-m", "fake-model-2", "say it in the background")
            # Both rows, the second one's events among them, and each with its numbers.
            while len(seen) < 2 or any(record.is_silent for record in seen.values()):
                await asyncio.sleep(GAP_S)
            await asyncio.sleep(2 * GAP_S)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            print("sent:", sent)
            print("files:", sorted(path.name for path in database.iterdir()))
            await run_cline(command, home, "hub", "stop")  # it would live on


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
