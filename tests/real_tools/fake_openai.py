"""A fake API of OpenAI's kind, which answers as marks in the last prompt ask and notes every usage it sends.

``[[tool]]`` calls the shell once, ``[[two]]`` twice at once, ``[[agent]]`` starts an agent, ``[[think]]`` reasons,
``[[bare]]`` states no usage, ``[[fail]]`` refuses, ``[[cut]]`` breaks off, ``[[slow]]`` takes seconds, ``[[big]]``
states a prompt that fills the context, so that the tool compacts it. A small model is asked for a title. Nothing
leaves the loopback.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

SLOW_S = 8.0
SMALL = "fake-small"
"""The model that tools ask for titles."""
MARKS = ("tool", "two", "agent", "think", "bare", "fail", "cut", "slow", "big")
_SHELLS = ("bash", "shell", "execute_command", "run_shell_command")
_AGENTS = ("task", "agent", "new_task")


class Sent(NamedTuple):
    """The answer to one request."""

    number: int
    model: str
    outcome: str
    """``ok``, or the mark that let it go wrong."""
    is_title: bool
    has_thought: bool
    is_big: bool
    ended_s: float
    """When the last byte was sent, epoch seconds."""

    @property
    def prompt(self) -> int:
        """Input, what was read from the cache included."""
        return 10_000 + 10 * self.number + (110_000 if self.is_big else 0)

    @property
    def cached(self) -> int:
        """Read from the cache."""
        return 4_000 + self.number

    @property
    def output(self) -> int:
        """Output, reasoning included."""
        return 300 + self.number

    @property
    def thought(self) -> int:
        """Reasoning."""
        return 70 + self.number if self.has_thought else 0

    @property
    def usage(self) -> dict[str, object]:
        """As the API states it."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.output,
            "total_tokens": self.prompt + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.thought},
        }


class FakeOpenAi(BaseHTTPRequestHandler):
    """Answers ``/chat/completions`` as a stream."""

    sent: list[Sent]
    asked = 0
    lock = threading.Lock()

    def do_GET(self) -> None:  # http.server's name
        """Name the models."""
        models = [{"id": name, "object": "model"} for name in ("fake-model", "fake-small")]
        self._answer_json(200, {"object": "list", "data": models})

    def do_POST(self) -> None:  # http.server's name
        """Answer one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("/chat/completions"):
            self._answer_json(404, {"error": {"message": "no"}})
            return
        messages = body["messages"]
        users = [place for place, each in enumerate(messages) if each["role"] == "user"]
        last = json.dumps(messages[users[-1]]) if users else ""
        called = any(each["role"] == "tool" for each in messages[users[-1] :]) if users else False
        tools = [each["function"]["name"] for each in body.get("tools") or [] if "function" in each]
        marks = {mark for mark in MARKS if f"[[{mark}]]" in last}
        with type(self).lock:
            type(self).asked += 1
            number = type(self).asked
        is_title = not tools and body["model"] == SMALL
        outcome = "ok" if is_title else next((mark for mark in ("fail", "cut", "bare") if mark in marks), "ok")
        has_thought = "think" in marks and not is_title
        is_big = "big" in marks and bool(tools) and not called
        sent = Sent(number, body["model"], outcome, is_title, has_thought, is_big, 0.0)
        calls = [] if called else _calls(marks, tools, number)
        if outcome == "fail":
            self._answer_json(400, {"error": {"message": "refused on purpose", "type": "invalid_request_error"}})
        elif body.get("stream"):
            try:
                self._stream(sent, calls, is_slow="slow" in marks and not is_title)
            except OSError:
                sent = sent._replace(outcome="left")
        else:
            message = {"role": "assistant", "content": "All done."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._answer_json(200, {"id": f"c{number}", "model": sent.model, "choices": [choice], "usage": sent.usage})
        with type(self).lock:
            type(self).sent.append(sent._replace(ended_s=time.time()))

    def _stream(self, sent: Sent, calls: list[dict[str, object]], *, is_slow: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if sent.has_thought:
            self._piece(sent, {"role": "assistant", "reasoning_content": "Well. "})
        for word in ("All ", "done."):
            self._piece(sent, {"role": "assistant", "content": word})
            if is_slow:
                for _ in range(int(SLOW_S * 10)):
                    time.sleep(0.1)
                    self._piece(sent, {"content": "."})
        if sent.outcome == "cut":
            return
        if calls:
            self._piece(sent, {"tool_calls": calls})
        self._piece(sent, {}, finish="tool_calls" if calls else "stop")
        if sent.outcome != "bare":
            self._send({"id": f"c{sent.number}", "model": sent.model, "choices": [], "usage": sent.usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _piece(self, sent: Sent, delta: dict[str, object], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self._send({"id": f"c{sent.number}", "model": sent.model, "choices": [choice]})

    def _send(self, piece: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps({"object": "chat.completion.chunk", **piece}).encode() + b"\n\n")
        self.wfile.flush()

    def _answer_json(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _calls(marks: set[str], tools: list[str], number: int) -> list[dict[str, object]]:
    """Return the calls of tools that ``marks`` ask for."""
    shell = next((name for name in _SHELLS if name in tools), "")
    agent = next((name for name in _AGENTS if name in tools), "")
    run = {"command": "echo hi", "description": "say hi"}
    start = {"description": "look", "prompt": "answer", "subagent_type": "general", "agent_type": "general-purpose"}
    wanted: list[tuple[str, dict[str, str]]] = []
    if shell and marks & {"tool", "two"}:
        wanted += [(shell, run)] * (2 if "two" in marks else 1)
    if agent and "agent" in marks:
        wanted.append((agent, {**start, "name": "look"}))
    return [
        {
            "index": index,
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(wanted)
    ]


@contextmanager
def fake_openai() -> Iterator[tuple[str, list[Sent]]]:
    """Yield the address of the fake API, and what it has sent."""
    FakeOpenAi.sent, FakeOpenAi.asked = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeOpenAi)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", FakeOpenAi.sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
