"""``python -m tests.real_tools.qwen QWEN [HOME]``: the real command line of Qwen Code against a fake API.

Runs it in a home of its own below the temporary directory, with an empty environment and a dummy key: an answer, tools
in parallel, a resumed and a forked session, an agent, a compression, a broken stream, a failure, an answer without
usage, and a session without statistics. The usage of its ledger and its session files is held against that of the fake
API; each difference is printed, and ends the script with 1. Then the time from the end of an answer to the message on
the socket. Held against 0.24.4 (``npm install @qwen-code/qwen-code@0.24.4``, on Node 22). Nothing leaves this machine
but what the tool may try to send.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from aico.core.usage import RequestState
from aico.features.sources.qwen_code import SOURCE
from tests.real_tools.beside import Handler, Sent, differ, fake_api, measure_live, run
from tests.sources.home_reading import Spent, new_books, read

MODEL = "fake-model"
GLOB: tuple[str, object] = ("glob", {"pattern": "*.txt"})
AGENT: tuple[str, object] = ("agent", {"description": "look", "prompt": "look", "subagent_type": "general-purpose"})


class FakeOpenAi(Handler):
    """Answers what the marks in the last prompt ask for, as a stream or at once."""

    def do_POST(self) -> None:  # noqa: N802  # http.server's name
        """Answer one request."""
        body = self.take()
        messages, tools = body.get("messages"), json.dumps(body.get("tools"))
        message = messages[-1] if isinstance(messages, list) else {}
        last = json.dumps(message)
        is_main = '"agent"' in tools
        is_asked = is_main and message.get("role") == "user"
        marks = {"%%CUT%%": "cut", "%%NOUSE%%": "nousage", "%%FAIL%%": "failed"}
        found = max((last.rfind(mark), word) for mark, word in marks.items())
        outcome = found[1] if is_asked and found[0] >= max(last.rfind("%%ON%%"), 0) else "ok"
        sent = self.note("main" if is_main else "other", MODEL, outcome)
        if outcome == "failed":
            self.send_json({"error": {"message": "no", "type": "invalid_request_error"}}, 400)
            return
        calls = [GLOB, GLOB] if is_asked and "%%TOOL%%" in last else [AGENT] if is_asked and "%%AGENT%%" in last else []
        asked: list[dict[str, object]] = []
        for index, (name, arguments) in enumerate(calls):
            function = {"name": name, "arguments": json.dumps(arguments)}
            asked.append({"index": index, "id": f"c{sent.number}_{index}", "type": "function", "function": function})
        if body.get("stream"):
            self._stream(sent, asked)
        else:
            said = {
                "role": "assistant",
                "content": f"Answer {sent.number}.",
                **({"tool_calls": asked} if asked else {}),
            }
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            self.send_json(_chunk(sent, [choice], "chat.completion") | _usage(sent))
        self.end(sent)

    def _stream(self, sent: Sent, asked: list[dict[str, object]]) -> None:
        self.begin_stream()
        deltas: list[dict[str, object]] = [{"role": "assistant", "content": "Answer "}]
        deltas.append({"content": f"{sent.number}."})
        deltas.extend({"tool_calls": [each]} for each in asked)
        for delta in deltas:
            self.send_event(_chunk(sent, [{"index": 0, "delta": delta, "finish_reason": None}]))
        if sent.outcome == "cut":
            return
        reason = "tool_calls" if asked else "stop"
        self.send_event(_chunk(sent, [{"index": 0, "delta": {}, "finish_reason": reason}]))
        if sent.outcome != "nousage":
            self.send_event(_chunk(sent, []) | _usage(sent))
        self.wfile.write(b"data: [DONE]\n\n")


def _chunk(sent: Sent, choices: list[dict[str, object]], kind: str = "chat.completion.chunk") -> dict[str, object]:
    made = {"id": f"chatcmpl-{sent.number}", "object": kind, "created": int(time.time()), "model": MODEL}
    return {**made, "choices": choices}


def _usage(sent: Sent) -> dict[str, object]:
    prompt, cached, got, thought = sent.tokens
    usage = {"prompt_tokens": prompt, "completion_tokens": got, "total_tokens": prompt + got}
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"usage": {**usage, **details, "completion_tokens_details": {"reasoning_tokens": thought}}}


def expected_of(sent: list[Sent]) -> dict[str, Spent]:
    """Return what is billed for."""
    total = Spent()
    for each in sent:
        prompt, cached, got, thought = each.tokens
        spent = Spent(1) if each.outcome != "ok" else Spent(1, prompt - cached, cached, got, thought)
        total = Spent(*map(sum, zip(total, spent, strict=True)))
    return {MODEL: total} if sent else {}


async def compare(home: Path, sent: list[Sent], unlogged: list[Sent]) -> int:
    """Hold what was sent against what is read; return how many things differ."""
    answered = [each for each in sent if each.outcome != "failed"]
    failed = 0
    for origins in (["usage"], ["chats"], ["usage", "chats"], ["chats", "usage"]):
        async with new_books() as books:
            refused = await read(books, SOURCE, home, origins=origins)
            known = [each for each in answered if origins != ["usage"] or each not in unlogged]
            expected: Mapping[str, object] = {**expected_of(known), "refused": [0, 0]}
            failed += differ(" then ".join(origins), expected, {**books.by_model(), "refused": refused})
            unmeasured = sum(each.outcome != "ok" for each in known)
            states = books.states().get(RequestState.UNMEASURED.value, 0)
            failed += differ("unmeasured", {"requests": unmeasured}, {"requests": states})
            print("      prompts", books.prompts(), "sessions", len(books.by_session()))
    return failed


async def run_everything(command: str, home: Path, *, is_live: bool) -> int:
    """Run all forms; return how many things differ. Live ones come last."""
    (home / "work").mkdir(parents=True)
    (home / "work" / "a.txt").write_text("hi")
    (home / ".qwen").mkdir()
    settings = home / ".qwen" / "settings.json"
    with fake_api(FakeOpenAi) as url:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "OPENAI_API_KEY": "dummy",
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_MODEL": MODEL,
            "NO_COLOR": "1",
        }

        async def ask(*words: str) -> None:
            await run((command, "--auth-type", "openai", "-y", *words), environment, home / "work")

        await ask("-p", "say something")
        await ask("-p", "%%TOOL%% look")
        for prompt in ("%%AGENT%% start", "%%NOUSE%% on", "%%CUT%% on", "%%FAIL%% on", "/compress", "%%ON%% more"):
            await ask("-c", "-p", prompt)
        await ask("-c", "--fork-session", "-p", "on")
        await ask("-c", "--fork-session", "-p", "%%TOOL%% on")
        before = len(FakeOpenAi.sent)
        settings.write_text(json.dumps({"privacy": {"usageStatisticsEnabled": False}}))
        await ask("-p", "say something")
        settings.unlink()
        failed = await compare(home, FakeOpenAi.sent, FakeOpenAi.sent[before:])
        (home / "truth.json").write_text(json.dumps({"requests": [each.as_truth() for each in FakeOpenAi.sent]}))
        if is_live:
            await asyncio.to_thread(
                measure_live, home, SOURCE.id, FakeOpenAi, lambda: asyncio.run(ask("-p", "say something")), 5
            )
    return failed


def main() -> int:
    """Run it in a home that goes away, unless one is named."""
    if len(sys.argv) > 2:  # a home to look at afterwards
        return asyncio.run(run_everything(sys.argv[1], Path(sys.argv[2]).resolve(), is_live=False))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(sys.argv[1], Path(folder).resolve(), is_live=True))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
