"""A fake API in OpenAI's words on loopback that notes every usage it sends, and what runs a real tool against it.

Words in the last prompt say what is answered: ``%%TOOL%%`` calls a tool, ``%%AGENT%%`` starts an agent, ``%%THINK%%``
reasons, ``%%CUT%%`` breaks off within the answer, ``%%BARE%%`` states no usage, ``%%FAIL%%`` is an error, ``%%BIG%%``
states a prompt near the end of the context, so that the tool compacts it, ``%%WAIT%%`` never ends. A request without
tools, or that repeats all prompts, sums up what was said, and is answered with a usage.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.server_process import ServerProcess
from tests.sources.line_homes import Sum

MODEL = "fake-model"
CONTEXT = 1_000_000
SEVERAL = 3
"""So many marks stand in a prompt behind others that had no answer, at most."""
MARKS = ("TOOL", "AGENT", "THINK", "CUT", "BARE", "FAIL", "BIG", "WAIT")


class Sent(NamedTuple):
    """The answer to one request."""

    number: int
    marks: frozenset[str]
    ended_at: float
    """When the answer had ended, seconds of ``time.time``."""
    is_summary: bool

    @property
    def prompt(self) -> int:
        """Tokens of the prompt, with what was cached."""
        return 10_000 + 10 * self.number + (980_000 if "BIG" in self.marks else 0)

    @property
    def cached(self) -> int:
        """Tokens of it that were read from a cache."""
        return 4_000 + self.number

    @property
    def output(self) -> int:
        """Tokens of the answer, with its reasoning."""
        return 300 + self.number

    @property
    def is_whole(self) -> bool:
        """True if its usage was stated."""
        return self.marks.isdisjoint({"CUT", "BARE", "FAIL", "WAIT"})

    def as_sum(self) -> Sum:
        """Return it in our words."""
        return Sum(1, self.prompt - self.cached, self.cached, 0, 0, self.output)

    def usage(self) -> dict[str, object]:
        """Return its usage as the API states it."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.output,
            "total_tokens": self.prompt + self.output,
            "cached_tokens": self.cached,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": 70 if "THINK" in self.marks else 0},
        }


class FakeApi(BaseHTTPRequestHandler):
    """Answers chat completions."""

    protocol_version = "HTTP/1.1"
    sent: list[Sent]
    agent: tuple[str, Mapping[str, object]]
    """Name and arguments of the tool that starts an agent."""
    tool: tuple[str, Mapping[str, object]]
    lock = threading.Lock()
    stopped: threading.Event

    def do_GET(self) -> None:  # http.server's name
        """Answer what is asked of models."""
        self._answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:  # http.server's name
        """Answer one request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            self._answer(404, {"error": {"message": "no"}})
            return
        request = json.loads(body)
        # The messages since the last answer: some tools put notes of their own behind the prompt.
        roles = [message["role"] for message in request["messages"]]
        first = max((place for place, role in enumerate(roles) if role == "assistant"), default=-1) + 1
        last = json.dumps([message.get("content") for message in request["messages"][first:]])
        marks = frozenset(mark for mark in MARKS if f"%%{mark}%%" in last)
        # Some tools have a summary written with their tools at hand, and repeat all prompts in one.
        is_summary = not request.get("tools") or len(marks) > SEVERAL
        if is_summary:
            marks = frozenset()
        elif "tool" in roles[first:]:
            marks -= {"TOOL", "AGENT"}
        with self.lock:
            number = len(self.sent) + 1
            self.sent.append(Sent(number, marks, 0, is_summary))
        if "FAIL" in marks:
            self._answer(400, {"error": {"message": "no", "type": "invalid_request_error"}})
        elif request.get("stream"):
            self._stream(self.sent[number - 1])
        else:
            self._whole(self.sent[number - 1])
        self.sent[number - 1] = self.sent[number - 1]._replace(ended_at=time.time())

    def _calls(self, sent: Sent) -> list[dict[str, object]]:
        wanted = [self.tool] * (2 if "TOOL" in sent.marks else 0) + [self.agent] * ("AGENT" in sent.marks)
        return [
            {
                "index": index,
                "id": f"call_{sent.number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(wanted)
        ]

    def _stream(self, sent: Sent) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        base = {"id": f"chatcmpl-{sent.number}", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        calls = self._calls(sent)
        deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": "Let me think."}] * ("THINK" in sent.marks)
        deltas += [{"content": f"Answer {sent.number}."}]
        deltas += [{"tool_calls": [call]} for call in calls]
        for delta in deltas:
            self._event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if "WAIT" in sent.marks:
            self.stopped.wait(60)
        if sent.marks & {"WAIT", "CUT"}:
            return
        finish = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
        self._event({**base, "choices": [finish]})
        if "BARE" not in sent.marks:
            self._event({**base, "choices": [], "usage": sent.usage()})
        self.wfile.write(b"data: [DONE]\n\n")
        self.wfile.flush()

    def _whole(self, sent: Sent) -> None:
        message: dict[str, object] = {"role": "assistant", "content": f"Answer {sent.number}."}
        if calls := self._calls(sent):
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        usage = {} if "BARE" in sent.marks else {"usage": sent.usage()}
        self._answer(200, {"id": f"chatcmpl-{sent.number}", "model": MODEL, "created": 1, "choices": [choice], **usage})

    def _event(self, fields: Mapping[str, object]) -> None:
        self.wfile.write(f"data: {json.dumps(fields)}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status: int, body: Mapping[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


Call = tuple[str, Mapping[str, object]]


@contextmanager
def fake_api(tool: Call, agent: Call) -> Iterator[tuple[str, list[Sent]]]:
    """Yield the address of the fake API, and what it has sent."""
    FakeApi.sent, FakeApi.tool, FakeApi.agent, FakeApi.stopped = [], tool, agent, threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", FakeApi.sent
    finally:
        FakeApi.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def run_tool(command: Sequence[str], home: Path, variables: Mapping[str, str], *, until: float = 120) -> None:
    """Run a tool to its end, in a clean environment; end it after ``until`` seconds."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", **variables},
        cwd=home / "work",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), until)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
    print(" ".join(command[-2:])[:100], "->", process.returncode, output.decode(errors="replace").strip()[-160:])


class Watched:
    """The service while tools run: when each change of a source came on the socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.frames: list[tuple[float, object]] = []
        self._connection = connection
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for frame in self._connection:
                fields = json.loads(frame)
                if fields["type"] == "usage_updated":
                    self.frames.append((time.time(), fields["source"]))
        except ConnectionClosed:
            return

    def close(self) -> None:
        """Listen no more."""
        self._connection.close()
        self._thread.join()

    def tell_delays(self, sent: Sequence[Sent]) -> None:
        """Print how long after each answer's end the next frame came."""
        delays = [
            min((at - each.ended_at for at, _source in self.frames if at >= each.ended_at), default=None)
            for each in sent
        ]
        known = sorted(1000 * delay for delay in delays if delay is not None and delay < 5)
        if known:
            middle = known[len(known) // 2]
            print(f"ms from an answer's end to a frame: {known[0]:.0f} to {known[-1]:.0f}, median {middle:.0f}")


@contextmanager
def watched(home: Path, source: str) -> Iterator[tuple[Watched, Path]]:
    """Yield the real service on a home, with one source switched on, and its database."""
    name = source.upper().replace("-", "_")
    settings = {f"AICO_SOURCES_{name}_ENABLED": "true", "AICO_DEBOUNCE_MS": "50"}
    with ServerProcess(home, settings) as server, connect(f"ws://{server.authority}/ws") as connection:
        listener = Watched(connection)
        try:
            yield listener, server.database
        finally:
            listener.close()


def tell_booked(database: Path, sent: Sequence[Sent]) -> int:
    """Print what is booked beside what was sent; return how many whole answers are not there, or too many.

    Summaries may be missing if a gap tells their number, or if one record tells what they come to together.
    """
    statement = """
        SELECT e.input, e.cache_read, e.cache_write_5m, e.cache_write_1h, e.output, e.state, e.recorded_nano, m.name,
            s.key, s.parent_key
        FROM usage_event AS e JOIN session AS s ON s.id = e.session JOIN model AS m ON m.id = e.model
        WHERE e.kind <> 2 ORDER BY e.ts
    """
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(statement).fetchall()
        gaps = connection.execute("SELECT kind, COUNT(DISTINCT at) FROM gap GROUP BY kind").fetchall()
        prompts = connection.execute("SELECT COUNT(*) FROM usage_event WHERE kind = 2").fetchone()
        partial = connection.execute("SELECT COUNT(*) FROM usage_event WHERE unknown <> ''").fetchone()
    for row in rows:
        print(row)
    print("gaps", gaps, "prompts", prompts, "partial", partial)
    print("not whole", [(each.number, sorted(each.marks)) for each in sent if not each.is_whole])
    booked = sorted((row[0], row[1], row[4]) for row in rows if row[5] == 0)
    expected = {(each.prompt - each.cached, each.cached, each.output): each for each in sent if each.is_whole}
    missing = [numbers for numbers in expected if numbers not in booked]
    beyond = [each for each in booked if each not in expected]
    summed = [numbers for numbers in missing if expected[numbers].is_summary]
    together = tuple(map(sum, zip(*summed, strict=True)))
    if together in beyond:
        print("together", summed, "are", together)
        beyond.remove(together)
        missing = [numbers for numbers in missing if numbers not in summed]
    summaries = sum(expected[numbers].is_summary for numbers in missing)
    print("missing", missing, "beyond", beyond, "missing summaries", summaries)
    is_told = summaries == dict(gaps).get("compaction", 0)
    return len(missing) - summaries + len(beyond) + (not is_told)
