"""``python -m tests.real_tools.claude_code CLAUDE``: the real command line of Claude Code against a fake API.

Runs it in a home of its own below the temporary directory, with an empty environment and a dummy key: an answer, a tool
call, a resumed and a forked session, an agent, streams that are cut. The usage of its transcripts is held against that
of the fake API; each difference is printed, and ends the script with 1. Nothing leaves this machine but what Claude
Code itself may try to send.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from aico.core.usage import RequestState
from tests.sources.claude_code.transcript_driver import Sum, home_of

MODEL = "claude-opus-5-5"
TOOL: dict[str, object] = {"type": "tool_use", "name": "Bash", "input": {"command": "echo hi", "description": "say hi"}}
AGENT: dict[str, object] = {
    "type": "tool_use",
    "name": "Agent",
    "input": {"description": "look", "prompt": "%%SUB%% answer", "subagent_type": "general-purpose"},
}
WORDS: dict[str, object] = {"type": "text", "text": "All done."}


class Sent(NamedTuple):
    """The answer to one request."""

    number: int
    is_main: bool
    is_cut: bool
    is_late: bool = False
    """True if it breaks after its first block, and not within it."""

    def usage(self, *, output: int | None = None) -> dict[str, object]:
        """Return its usage, as the API states it."""
        short, long = 1000 + 4 * self.number, 2000 + 6 * self.number
        return {
            "input_tokens": 100 + self.number,
            "cache_creation_input_tokens": short + long,
            "cache_read_input_tokens": 20_000 + 100 * self.number,
            "output_tokens": 500 + 3 * self.number if output is None else output,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
            "service_tier": "standard",
        }

    def as_sum(self) -> Sum:
        """Return it in our words."""
        number = self.number
        return Sum(1, 100 + number, 20_000 + 100 * number, 1000 + 4 * number, 2000 + 6 * number, 500 + 3 * number)


class FakeApi(BaseHTTPRequestHandler):
    """Answers what the marks in the last prompt ask for, as a stream or at once."""

    protocol_version = "HTTP/1.1"
    sent: list[Sent]
    lock = threading.Lock()

    def do_POST(self) -> None:  # http.server's name
        """Answer one request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            self._answer_json(404, {"type": "error", "error": {"type": "not_found_error", "message": "no"}})
            return
        request = json.loads(body)
        last = json.dumps(request["messages"][-1])
        tools = {tool.get("name") for tool in request.get("tools", [])}
        is_main = "Bash" in tools
        wants_tool = is_main and "%%TOOL%%" in last and "tool_result" not in last
        wants_agent = "%%AGENT%%" in last and "tool_result" not in last
        is_cut = is_main and "%%CUT%%" in last and bool(request.get("stream"))
        with type(self).lock:
            sent = Sent(len(type(self).sent) + 1, is_main, is_cut, "%%LATE%%" in last)
            type(self).sent.append(sent)
        agent = {**AGENT, "name": "Agent" if "Agent" in tools else "Task"}
        content: list[dict[str, object]] = [WORDS, *([{**TOOL, "id": f"toolu_{sent.number}"}] if wants_tool else [])]
        content += [{**agent, "id": f"toolu_{sent.number}"}] if wants_agent else []
        stop = "tool_use" if wants_tool or wants_agent else "end_turn"
        if request.get("stream"):
            self._stream(sent, content, stop)
        else:
            self._answer_json(200, {**_message(sent, sent.usage()), "content": content, "stop_reason": stop})

    def _stream(self, sent: Sent, content: list[dict[str, object]], stop: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("request-id", f"req_{sent.number:04}")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self._event("message_start", {"message": _message(sent, sent.usage(output=1))})
        for index, block in enumerate(content):
            empty: dict[str, object] = {"text": ""} if block["type"] == "text" else {"input": {}}
            start = {**block, **empty}
            self._event("content_block_start", {"index": index, "content_block": start})
            delta: dict[str, object] = (
                {"type": "text_delta", "text": block["text"]}
                if block["type"] == "text"
                else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            )
            self._event("content_block_delta", {"index": index, "delta": delta})
            if sent.is_cut and not sent.is_late:
                return
            self._event("content_block_stop", {"index": index})
        if sent.is_cut:
            return
        usage = {"output_tokens": 500 + 3 * sent.number}
        self._event("message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage})
        self._event("message_stop", {})

    def _event(self, kind: str, fields: dict[str, object]) -> None:
        self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())
        self.wfile.flush()

    def _answer_json(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _message(sent: Sent, usage: dict[str, object]) -> dict[str, object]:
    return {
        "id": f"msg_{sent.number:04}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


@contextmanager
def fake_api() -> Iterator[tuple[str, list[Sent]]]:
    """Yield the address of the fake API, and what it has sent."""
    FakeApi.sent = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", FakeApi.sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def run_claude(command: str, home: Path, url: str, *arguments: str) -> None:
    """Run Claude Code to its end."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "ANTHROPIC_MODEL": MODEL,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }
    process = await asyncio.create_subprocess_exec(
        command,
        *("-p", "--allowedTools", "Bash", "Agent", "Task", "--output-format", "json", *arguments),
        env=environment,
        cwd=home / "work",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 120)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    print(" ".join(arguments), "->", process.returncode, output.decode(errors="replace").strip()[:160])


async def run_everything(command: str, home: Path) -> int:
    """Run all forms; return how many things differ."""
    (home / "work").mkdir(parents=True)
    session, fork = str(uuid.uuid4()), str(uuid.uuid4())
    with fake_api() as (url, sent):
        await run_claude(command, home, url, "--session-id", session, "--", "say something")
        await run_claude(command, home, url, "--resume", session, "--", "%%TOOL%% use it")
        await run_claude(command, home, url, "--resume", session, "--fork-session", "--session-id", fork, "--", "on")
        await run_claude(command, home, url, "--resume", session, "--", "%%AGENT%% start it")
        await run_claude(command, home, url, "--resume", session, "--", "%%CUT%% break off")
        await run_claude(command, home, url, "--resume", session, "--", "%%CUT%% %%LATE%% break off")
        cut = [each for each in sent if each.is_cut]
    async with home_of(home / ".claude" / "projects") as read:
        await read.read()
        for key, each in read.by_session().items():
            print(key, each)
        print("states", read.states(), "prompts", read.prompts(), "refused", read.refused())
        print("gap", await read.gap(), "cut", [each.number for each in cut])
        rows = read.ask(
            "SELECT input, cache_read, cache_write_5m, cache_write_1h, output, state, ts FROM usage_event "
            "WHERE kind = 0 ORDER BY ts"
        )
        for row in rows:
            print(row)
        final = {row[:5] for row in rows if row[5] == RequestState.FINAL.value}
    expected = {each.as_sum()[1:] for each in sent if each.is_main and not each.is_cut}
    print("missing", expected - final, "beyond", final - expected)
    return len(expected ^ final)


def main() -> int:
    """Run it in a home that goes away, unless one is named."""
    if len(sys.argv) > 2:  # a home to look at afterwards
        return asyncio.run(run_everything(sys.argv[1], Path(sys.argv[2])))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(sys.argv[1], Path(folder)))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
