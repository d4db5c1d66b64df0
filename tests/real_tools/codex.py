"""``python -m tests.real_tools.codex CODEX... [-- CODEX...]``: real command lines of Codex against a fake API.

Each of them, of any version, runs in a home of its own below the temporary directory, with an empty environment and a
dummy key: an answer, tools in parallel, reasoning, a resumed and a forked thread, forks by its app server and by those
of the commands behind ``--``, a compaction, agents if its version has them, answers without a usage, streams that
are cut, a failure, an interruption. The usage of the rollouts is held against that of the fake API. Each difference is
printed, and ends the script with 1. At last, a service reads the home while Codex answers: the time from the end of an
answer to the frame on the socket is printed. Nothing leaves this machine but what Codex itself may try to send.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import connect

from tests.sources.codex.codex_home import CODEX
from tests.sources.line_homes import home_of

MODEL = "gpt-5.6-sol"
CONFIG = """\
model = "{model}"
model_provider = "fake"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.fake]
name = "fake"
base_url = "{url}"
env_key = "FAKE_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""


class Sent(NamedTuple):
    """The answer to one request."""

    number: int
    kind: str
    """``final``, or what is wrong with it: ``cut``, ``unmeasured``, ``failed``, ``hung``."""

    def usage(self) -> dict[str, object]:
        """Return its usage, as the API states it."""
        sent, cached, written, output, thought = self.counts()
        details = {"cached_tokens": cached, **({"cache_write_tokens": written} if written else {})}
        return {
            "input_tokens": sent,
            "input_tokens_details": details,
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": sent + output,
        }

    def counts(self) -> tuple[int, int, int, int, int]:
        """Return input, cached, written to the cache, output, reasoning."""
        number = self.number
        return 20_000 + 100 * number, 15_000 + 10 * number, 0, 400 + 3 * number, 120 + number

    def as_row(self) -> tuple[int, ...]:
        """Return it in our words."""
        sent, cached, written, output, thought = self.counts()
        return sent - cached - written, cached, written, output, thought


class FakeApi(BaseHTTPRequestHandler):
    """Answers what the marks in the last prompt ask for, as a stream."""

    protocol_version = "HTTP/1.1"
    sent: list[Sent]
    ended_at: float
    lock = threading.Lock()

    def do_POST(self) -> None:  # http.server's name
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.endswith("/responses"):
            self._answer_json(404, {})
            return
        request = json.loads(body)
        prompts = [json.dumps(item) for item in request["input"] if item.get("role") == "user"]
        prompt = prompts[-1] if prompts else ""
        is_second = "call_output" in json.dumps(request["input"][-1:])
        wanted = {name for name in ("FAIL", "CUT", "NOUSE", "HANG", "TOOL", "AGENT") if f"%%{name}%%" in prompt}
        wanted = set() if is_second else wanted
        kind = next((k for mark, k in KINDS if mark in wanted), "final")
        with type(self).lock:
            sent = Sent(len(type(self).sent) + 1, kind)
            type(self).sent.append(sent)
        if kind == "failed":
            self._answer_json(400, {"error": {"message": "no", "type": "invalid_request_error"}})
            return
        told = [item for item in request["input"] if item.get("type") == "additional_tools"]
        tools = [*request.get("tools", []), *(tool for item in told for tool in item["tools"])]
        self._stream(sent, wanted, {str(tool.get("name")) for tool in tools})

    def _stream(self, sent: Sent, wanted: set[str], tools: set[str]) -> None:
        number = sent.number
        self.send_response(200)
        limits = {"used-percent": str(number), "window-minutes": "300", "reset-at": str(int(time.time()) + 3_600)}
        headers = {"Content-Type": "text/event-stream", "Connection": "close"}
        for name, value in (*headers.items(), *((f"x-codex-primary-{name}", value) for name, value in limits.items())):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        response = {"id": f"resp_{os.getpid()}_{time.time_ns()}_{number}"}
        self._event("response.created", response=response)
        for item in _items(number, wanted, tools):
            self._event("response.output_item.added", item=item, output_index=0)
            self._event("response.output_item.done", item=item, output_index=0)
        if sent.kind == "hung":
            time.sleep(20)
        if sent.kind in {"hung", "cut"}:
            return
        usage = None if sent.kind == "unmeasured" else sent.usage()
        self._event("response.completed", response={**response, "usage": usage})
        type(self).ended_at = time.time()

    def _event(self, kind: str, **fields: object) -> None:
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


_ID = re.compile(r'"id": "([0-9a-f-]{36})"')
_AGENTS = "collaboration"
"""The namespace of newer versions' tools for agents."""
KINDS = (("FAIL", "failed"), ("CUT", "cut"), ("NOUSE", "unmeasured"), ("HANG", "hung"))


def _items(number: int, wanted: set[str], tools: set[str]) -> list[dict[str, object]]:
    thought = {"type": "summary_text", "text": "think"}
    words = {"type": "output_text", "text": "All done."}
    items: list[dict[str, object]] = [
        {"type": "reasoning", "id": f"rs_{number}", "summary": [thought], "encrypted_content": "ZmFrZQ=="},
        {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [words]},
    ]
    if "AGENT" in wanted:
        arguments: dict[str, object] = {"message": "look", "task_name": "look"}
        space = {"namespace": _AGENTS} if _AGENTS in tools else {}
        items.append({**_call(number, 0, "spawn_agent", arguments), **space})
    if "TOOL" in wanted:
        name = next((each for each in ("exec_command", "shell_command", "shell") if each in tools), "exec_command")
        command: object = ["bash", "-lc", "echo hi"] if name == "shell" else "echo hi"
        key = "cmd" if name == "exec_command" else "command"
        items += [_call(number, place, name, {key: command}) for place in range(2)]
    return items


def _call(number: int, place: int, name: str, arguments: dict[str, object]) -> dict[str, object]:
    return {
        "type": "function_call",
        "id": f"fc_{number}{place}",
        "name": name,
        "arguments": json.dumps(arguments),
        "call_id": f"call_{number}_{place}",
    }


@contextmanager
def fake_api() -> Iterator[str]:
    """Yield the address of the fake API."""
    FakeApi.sent, FakeApi.ended_at = [], 0.0
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment_of(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of this machine's user is found."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "FAKE_KEY": "dummy", "OPENAI_API_KEY": "dummy"}


async def run_codex(command: str, home: Path, *arguments: str, interrupt: bool = False) -> int:
    """Run Codex to its end, or interrupt it while it waits for an answer; return how it ended."""
    before = len(FakeApi.sent)
    process = await asyncio.create_subprocess_exec(
        command,
        *("exec", "--skip-git-repo-check", *arguments),
        env=environment_of(home),
        cwd=home / "work",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        if interrupt:
            while len(FakeApi.sent) == before:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), 90)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    print("  ", " ".join(arguments)[:60], "->", process.returncode, output.decode(errors="replace").strip()[-60:])
    return process.returncode or 0


async def fork_by_app_server(command: str, home: Path, thread: str, prompt: str) -> str | None:
    """Fork a thread as an editor does, and let the fork answer; return its id. A version that cannot is told."""
    process = await asyncio.create_subprocess_exec(
        command,
        "app-server",
        env=environment_of(home),
        cwd=home / "work",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 24,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def ask(number: int, method: str, **params: object) -> dict[str, object]:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"id": number, "method": method, "params": params}).encode() + b"\n")
        return await until(lambda said: said.get("id") == number and "method" not in said)

    async def until(is_wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        assert process.stdout is not None
        while True:
            said: dict[str, object] = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
            if is_wanted(said):
                return said

    try:
        await ask(1, "initialize", clientInfo={"name": "test", "title": "test", "version": "1"})
        process.stdin.write(b'{"method":"initialized"}\n')
        answer = json.dumps(await ask(2, "thread/fork", threadId=thread))
        fork: str = next(each for each in _ID.findall(answer) if each != thread)
        await ask(3, "turn/start", threadId=fork, input=[{"type": "text", "text": prompt}])
        await until(lambda said: said.get("method") == "turn/completed")
    except (StopIteration, json.JSONDecodeError):
        print("   this version forks nothing by its app server")
        return None
    else:
        return fork
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


def threads_of(home: Path) -> list[str]:
    """Return the ids of all threads, the oldest first."""
    return [path.stem[-36:] for path in sorted((home / ".codex/sessions").rglob("rollout-*.jsonl"))]


async def run_everything(command: str, home: Path, others: list[str]) -> int:
    """Run all forms; ``others`` are commands that fork, too. Return how many things differ."""
    (home / "work").mkdir(parents=True)
    (home / ".codex").mkdir()
    with fake_api() as url:
        (home / ".codex/config.toml").write_text(CONFIG.format(model=MODEL, url=url))
        await run_codex(command, home, "say something")
        first = threads_of(home)[0]
        for prompt in ("%%TOOL%% use them", "%%NOUSE%% say it", "%%CUT%% break off", "%%FAIL%% fail", "go on"):
            await run_codex(command, home, "resume", first, prompt)
        await run_codex(command, home, "resume", first, "%%HANG%% wait", interrupt=True)
        await run_codex(command, home, "resume", first, "go on")
        if await run_codex(command, home, "fork", first, "%%TOOL%% fork") == 0:
            await run_codex(command, home, "resume", first, "go on beside the fork")
        for forker in (command, *others):
            await fork_by_app_server(forker, home, first, "%%TOOL%% fork")
            await run_codex(command, home, "resume", first, "go on beside that fork")
        await run_codex(command, home, "%%AGENT%% start one")
        await run_codex(command, home, "resume", first, "%%AGENT%% start one that knows all of this")
        await run_codex(command, home, "-c", "model_auto_compact_token_limit=10000", "%%TOOL%% compact")
        different = await compare(home)
        await measure(command, home)
    return different


async def compare(home: Path) -> int:
    """Hold what is booked against what was sent."""
    sent = FakeApi.sent
    async with home_of(CODEX, home / ".codex") as read:
        await read.read()
        rows = read.ask(
            "SELECT input, cache_read, cache_write_5m, output, reasoning FROM usage_event WHERE kind = 0 AND state = 0"
        )
        print("   sessions", {key[-4:]: each.requests for key, each in read.by_session().items()})
        print("   states", read.states(), "prompts", read.prompts(), "refused", read.refused())
    booked = sorted(tuple(int(str(number)) for number in row) for row in rows)
    billed = sorted(each.as_row() for each in sent if each.kind == "final")
    kinds = {kind: sum(each.kind == kind for each in sent) for kind in {each.kind for each in sent}}
    print("   sent", kinds, "booked", len(booked))
    for row in set(booked) ^ set(billed):
        print("   differs:", row, "booked" if row in booked else "billed")
    return int(booked != billed)


async def measure(command: str, home: Path) -> None:
    """Let a service read the home while Codex answers; print the time from each answer's end to its frame."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **environment_of(home),
        "AICO_SOURCES_CODEX_ENABLED": "true",
        "AICO_PORT": str(port),
        "AICO_DATABASE_PATH": str(home / "aico" / "observer.db"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aico", "serve"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        frames: list[float] = []
        async with asyncio.timeout(60):
            while True:
                try:
                    listener = await connect(f"ws://127.0.0.1:{port}/ws")
                    break
                except OSError:
                    await asyncio.sleep(0.1)
        async with listener:
            await asyncio.sleep(3)

            async def listen() -> None:
                async for message in listener:
                    fields = json.loads(message)
                    if fields["type"] == "usage_updated" and any(row["spent"]["requests"] for row in fields["rows"]):
                        frames.append(time.time())

            listening = asyncio.create_task(listen())
            for number in range(5):
                frames.clear()
                await run_codex(command, home, "resume", threads_of(home)[0], f"live {number}")
                await asyncio.sleep(1)
                later = [round((each - FakeApi.ended_at) * 1_000) for each in frames if each > FakeApi.ended_at]
                print("   live:", f"{min(later)} ms" if later else "no frame")
            listening.cancel()
    finally:
        process.terminate()
        await process.wait()


async def main(commands: list[str]) -> int:
    """Run each command in a home that goes away; the last ones, behind ``--``, only fork what the others have made."""
    others = commands[commands.index("--") + 1 :] if "--" in commands else []
    different = 0
    for command in commands[: len(commands) - len(others) - bool(others)]:
        print(command)
        with tempfile.TemporaryDirectory(prefix="aico-codex-") as folder:
            different += await run_everything(command, Path(folder).resolve(), others)
    return different


if __name__ == "__main__":
    raise SystemExit(bool(asyncio.run(main(sys.argv[1:]))))
