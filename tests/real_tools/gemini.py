"""``python -m tests.real_tools.gemini GEMINI [HOME]``: the real command line of Gemini CLI against a fake API.

Runs it in a home of its own below the temporary directory, with an empty environment and a dummy key: an answer, tools
in parallel, a resumed session, an agent, a web search, checks for loops, a compression, a broken stream, a failure, an
answer without usage; in another home, in a terminal, prompts that are taken back and asked again. The usage of its
session files and its telemetry is held against that of the fake API; each difference is printed, and ends the script
with 1. Also printed is the time from the end of an answer to the message on the socket.
Held against 0.61.0 (``npm install @google/gemini-cli@0.61.0``). Nothing leaves this machine but what the tool may try
to send.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from aico.core.usage import RequestState
from aico.features.sources.gemini_cli import SOURCE
from tests.real_tools.beside import Handler, Sent, differ, fake_api, measure_live, run
from tests.real_tools.terminal import Terminal, terminal
from tests.sources.home_reading import Spent, new_books, read

TOOLS: list[tuple[str, object]] = [("list_directory", {"dir_path": "."}), ("glob", {"pattern": "*.txt"})]
AGENT: list[tuple[str, object]] = [("invoke_agent", {"agent_name": "generalist", "prompt": "look around"})]
SEARCH: list[tuple[str, object]] = [("google_web_search", {"query": "the weather"})]
LOOP_TURNS = 33
"""From its 30th turn on, a prompt's answers are checked for loops."""
CHOICE = json.dumps({"reasoning": "simple", "complexity_reasoning": "simple", "complexity_score": 1})
UP = "\x1b[A"
THOUGHT = {"text": "**Plan** thinking", "thought": True}


class FakeGemini(Handler):
    """Answers what the marks in the last prompt ask for, as a stream or at once."""

    def do_POST(self) -> None:  # noqa: N802  # http.server's name
        """Answer one request."""
        body = self.take()
        model, _, method = self.path.rpartition("/")[2].partition(":")
        contents, tools = body.get("contents"), body.get("tools")
        last = json.dumps(contents[-1]) if isinstance(contents, list) else ""
        names = json.dumps(tools)
        is_agent, is_main = "complete_task" in names, "list_directory" in names
        role = "subagent" if is_agent else "main" if is_main else "utility"
        is_asked = "functionResponse" not in last and is_main
        marks = {"%%CUT%%": "cut", "%%NOUSE%%": "nousage", "%%FAIL%%": "failed"}
        found = max((last.rfind(mark), word) for mark, word in marks.items())
        outcome = found[1] if is_asked and found[0] >= max(last.rfind("%%ON%%"), 0) else "ok"
        sent = self.note(role, model, outcome)
        if outcome == "failed":
            self.send_json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)
            return
        calls = next((calls for mark, calls in CALLS.items() if is_asked and mark in last), [])
        turns = _count_turns(contents)
        if is_main and turns < LOOP_TURNS:
            calls = [("list_directory", {"dir_path": ".", "ignore": [f"no{turns}"]})]
        if is_agent:
            calls = [("complete_task", {"result": {"response": "done"}})]
        text = CHOICE if "complexity_score" in json.dumps(body.get("generationConfig")) else f"Answer {sent.number}."
        parts: list[object] = [THOUGHT, {"text": text}]
        for name, arguments in calls:
            parts.append({"functionCall": {"name": name, "args": arguments, "id": f"{name}-{sent.number}"}})
        if not method.startswith("stream"):
            self.send_json(_response(sent, parts, is_last=True))
        else:
            self.begin_stream()
            self.send_event(_response(sent, parts[:1], is_last=False))
            if outcome == "cut":
                return
            self.send_event(_response(sent, parts[1:], is_last=True))
        self.end(sent)


CALLS = {"%%TOOL%%": TOOLS, "%%AGENT%%": AGENT, "%%SEARCH%%": SEARCH}


def _count_turns(contents: object) -> int:
    """Return how many answers of tools stand behind a last prompt that asks for a loop; many where none does."""
    said = [json.dumps(each) for each in contents] if isinstance(contents, list) else []
    prompts = [place for place, each in enumerate(said) if "%%" in each]
    if not prompts or "%%LOOP%%" not in said[prompts[-1]]:
        return LOOP_TURNS
    return sum("functionResponse" in each for each in said[prompts[-1] :])


def _response(sent: Sent, parts: list[object], *, is_last: bool) -> dict[str, object]:
    prompt, cached, got, thought = sent.tokens
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {"promptTokenCount": prompt, "cachedContentTokenCount": cached, "totalTokenCount": prompt + got + thought}
    usage |= {"candidatesTokenCount": got if is_last else 1, "thoughtsTokenCount": thought if is_last else 1}
    answer: dict[str, object] = {"candidates": [candidate | ({"finishReason": "STOP"} if is_last else {})]}
    answer |= {"modelVersion": sent.model, "responseId": f"r{sent.number}"}
    return answer if sent.outcome == "nousage" else answer | {"usageMetadata": usage}


def expected_of(sent: list[Sent]) -> dict[str, Spent]:
    """Return what is billed for, by model; of a broken stream as far as it had said."""
    sums: dict[str, Spent] = {}
    for each in sent:
        prompt, cached, got, thought = each.tokens
        if each.outcome == "cut":
            got, thought = 1, 1
        spent = Spent(1, prompt - cached, cached, got + thought, thought)
        spent = Spent(1) if each.outcome == "nousage" else spent
        sums[each.model] = Spent(*map(sum, zip(sums.get(each.model, Spent()), spent, strict=True)))
    return sums


def rewind(command: str, environment: dict[str, str], folder: Path) -> None:
    """Ask in a terminal, take prompts back, and ask them again or others in their place."""

    def enter(words: str) -> None:
        before = len(screen.text)
        screen.press(words)
        screen.wait(lambda: words in screen.text[before:], words)
        screen.look(2)  # what follows at once is taken for a line that was pasted
        screen.press("\r")

    def answered(count: int) -> None:
        sent, ended = FakeGemini.sent, FakeGemini.ended
        screen.wait(lambda: len(sent) >= count and sent[-1].number in ended, "an answer")
        screen.look(2)

    def take_back(prompts: int) -> None:
        enter("/rewind")
        screen.wait_for("Stay at current position")
        for _ in range(prompts):
            screen.press(UP)
            screen.look(0.5)
        screen.press("\r")
        screen.wait_for("Rewind conversation")
        screen.press("\r")
        screen.look(3)

    with terminal([command, "-y"], {**environment, "TERM": "xterm-256color"}, folder) as screen:
        screen.wait_for("Type your message")
        for prompt in ("first", "%%TOOL%% second", "third"):
            before = len(FakeGemini.sent)
            enter(prompt)
            answered(before + (3 if "TOOL" in prompt else 2))
        take_back(1)
        screen.press("\r")  # the prompt stands there again
        answered(len(FakeGemini.sent) + 2)
        take_back(2)
        screen.press("\x15")
        before = len(FakeGemini.sent)
        enter("in the place of two")
        answered(before + 2)
        leave(screen)


def leave(screen: Terminal) -> None:
    """Leave the tool as somebody does at a keyboard."""
    for _ in range(2):
        screen.press("\x03")
        screen.look(1)


async def compare(home: Path, sent: list[Sent]) -> int:
    """Hold what was sent against what is read; return how many things differ."""
    answered = [each for each in sent if each.outcome != "failed"]
    recorded = [each for each in answered if each.role != "utility" and each.outcome != "cut"]
    print("not in session files:", sorted(each.number for each in set(sent) - set(recorded)))
    # Calls that end while the tool does are in no file: its telemetry is shut down before its last calls are over.
    told = (home / ".gemini" / "telemetry.log").read_text()
    late = [
        each for each in answered if each.role == "utility" and f'input_token_count": {each.tokens[0]},' not in told
    ]
    print("nor in the telemetry:", [each.number for each in late])
    complete = [each for each in answered if each not in late]
    failed = 0
    for origins in (["chats"], ["telemetry"], ["chats", "telemetry"], ["telemetry", "chats"]):
        async with new_books() as books:
            refused = await read(books, SOURCE, home, origins=origins)
            expected = expected_of(recorded if origins == ["chats"] else complete)
            failed += differ(
                " then ".join(origins), {**expected, "refused": [0, 0]}, {**books.by_model(), "refused": refused}
            )
            unmeasured = sum(each.outcome == "nousage" for each in answered)
            states = books.states().get(RequestState.UNMEASURED.value, 0)
            failed += differ("unmeasured", {"requests": unmeasured}, {"requests": states})
            print("      prompts", books.prompts(), "sessions", len(books.by_session()))
    return failed


def prepare(home: Path, url: str) -> dict[str, str]:
    """Make a home in which nothing of this machine's user is found; return its environment."""
    (home / "work").mkdir(parents=True)
    (home / "work" / "a.txt").write_text("hi")
    (home / ".gemini").mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": True, "target": "local", "outfile": str(home / ".gemini" / "telemetry.log")},
        "general": {"enableAutoUpdate": False},
    }
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GEMINI_API_KEY": "dummy",
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "NO_COLOR": "1",
    }


async def ask(command: str, environment: dict[str, str], *words: str) -> None:
    """Ask one prompt."""
    await run((command, "-y", *words), environment, Path(environment["HOME"]) / "work", patience_s=240)


async def run_everything(command: str, home: Path, *, is_live: bool) -> int:
    """Run all forms; return how many things differ. Live ones come last."""
    again = ("-r", "latest", "-p")
    with fake_api(FakeGemini) as url:
        environment = prepare(home, url)
        await ask(command, environment, "-p", "say something")
        await ask(command, environment, "-p", "%%TOOL%% look")
        for prompt in (
            "%%AGENT%% start",
            "%%NOUSE%% on",
            "%%CUT%% on",
            "%%FAIL%% on",
            "%%SEARCH%% the web",
            "%%LOOP%% on",
            "/compress",
            "%%ON%% more",
        ):
            await ask(command, environment, *again, prompt)
        failed = await compare(home, FakeGemini.sent)
        (home / "truth.json").write_text(json.dumps({"requests": [each.as_truth() for each in FakeGemini.sent]}))
        if is_live:

            def run_once() -> None:
                asyncio.run(ask(command, environment, "-p", "say something"))

            await asyncio.to_thread(measure_live, home, SOURCE.id, FakeGemini, run_once, 5)
    # A home of its own: the next start deletes sessions that were resumed.
    with fake_api(FakeGemini) as url:
        environment = prepare(home / "terminal", url)
        await asyncio.to_thread(rewind, command, environment, home / "terminal" / "work")
        await ask(command, environment, *again, "%%TOOL%% after it was taken back")
        failed += await compare(home / "terminal", FakeGemini.sent)
    return failed


def main() -> int:
    """Run it in a home that goes away, unless one is named."""
    if len(sys.argv) > 2:  # a home to look at afterwards
        return asyncio.run(run_everything(sys.argv[1], Path(sys.argv[2]).resolve(), is_live=False))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(sys.argv[1], Path(folder).resolve(), is_live=True))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
