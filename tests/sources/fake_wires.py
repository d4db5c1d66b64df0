"""Fakes what Kimi CLI, Kimi Code and pi write: turns with conversation, agents, forks, compactions, odd lines."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from tests.sources.claude_code.claude_home import CANARY
from tests.sources.feeds import NOW_MS

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
BEGIN_MS = NOW_MS - 9 * 86_400_000
TURN_MS = 3_600_000


def id_of(*parts: object) -> str:
    """Return the id of something that a tool would draw by chance."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, repr(parts)))


def line_of(fields: Mapping[str, Json]) -> bytes:
    """Return a line as the tools write it."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file anew, with half a line at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines) + line_of({"type": CANARY, "text": CANARY})[:-9])


# Kimi CLI


def cli_event(at_ms: float, kind: str, **payload: Json) -> bytes:
    """Return an event of Kimi CLI."""
    return line_of({"timestamp": at_ms / 1000, "message": {"type": kind, "payload": payload}})


def cli_usage(number: int, **more: Json) -> dict[str, Json]:
    """Return the usage of answer ``number``."""
    counts: dict[str, Json] = {
        "input_other": 100 + number,
        "output": 10 + number,
        "input_cache_read": 1_000 + number,
        "input_cache_creation": number,
    }
    return {**counts, **more}


def cli_status(at_ms: float, number: int, usage: Json = None, message_id: str | None = "") -> bytes:
    """Return the end of a step; a message id of its own unless one is named."""
    name = f"chatcmpl-{number}" if message_id == "" else message_id
    fields: dict[str, Json] = {"token_usage": usage or cli_usage(number), "message_id": name, "plan_mode": False}
    return cli_event(at_ms, "StatusUpdate", **fields)


def cli_turn(at_ms: float, number: int) -> list[bytes]:
    """Return a turn of one step."""
    return [
        cli_event(at_ms, "TurnBegin", user_input=f"{CANARY} {number}"),
        cli_event(at_ms + 1, "StepBegin", n=1),
        cli_event(at_ms + 2, "ContentPart", type="text", text=f'{CANARY} "StatusUpdate"'),
        cli_status(at_ms + 3, number),
        cli_event(at_ms + 4, "TurnEnd"),
    ]


def cli_repeated(agent: str, line: bytes) -> bytes:
    """Return what the session's file says of an agent's line, a little later."""
    fields = json.loads(line)
    payload: dict[str, Json] = {"parent_tool_call_id": CANARY, "agent_id": agent, "event": fields["message"]}
    return cli_event(fields["timestamp"] * 1000 + 0.4, "SubagentEvent", **payload)


def write_kimi_cli(home: Path, stage: int) -> None:
    """Write sessions with an agent, a fork, a compaction, a step that was lost and answers without numbers."""
    root = home / ".kimi" / "sessions" / "6c29bb5a3ee7ba21db1ef234e48630f8"
    for number in range(2):
        session, agent = root / id_of("cli", number), f"a{number:08x}"
        head = [line_of({"type": "metadata", "protocol_version": "1.10"})]
        lines, own = list(head), list(head)
        for turn in range(2 * (stage + 1)):
            at = BEGIN_MS + turn * TURN_MS + number * 1_000
            lines += cli_turn(at, 100 * number + turn)
            of_agent = cli_turn(at + 100, 1_000 + 100 * number + turn)
            own += of_agent
            lines += [cli_repeated(agent, line) for line in of_agent]
        lines += [
            cli_event(BEGIN_MS + 500, "CompactionBegin"),
            cli_event(BEGIN_MS + 501, "StepBegin", n=1),
            cli_event(BEGIN_MS + 502, "StepInterrupted"),
            cli_event(BEGIN_MS + 503, "StatusUpdate", token_usage=None, message_id=CANARY),
            cli_status(BEGIN_MS + 504, 7, {"input_other": -5, "output": CANARY, "input_cache_read": 9}),
            cli_event(BEGIN_MS + 505, "StatusUpdate", token_usage=CANARY, message_id=f"{CANARY}\n"),
            line_of({"timestamp": CANARY, "message": {"type": "StatusUpdate"}}),
            line_of({"timestamp": 1, "message": f'"StatusUpdate"{CANARY}'}).replace(b"\\", b""),
        ]
        write_lines(session / "wire.jsonl", lines)
        write_lines(session / "subagents" / agent / "wire.jsonl", own)
        write_lines(root / id_of("cli fork", number) / "wire.jsonl", [*lines, *cli_turn(NOW_MS - 9_000_000, number)])
        write_lines(root / CANARY / "wire.jsonl", lines)


# Kimi Code


def code_request(at_ms: int, alias: str = "fm", model: str = "k2", agent: str = "main", **more: Json) -> bytes:
    """Return the announcement of a request."""
    fields: dict[str, Json] = {"type": "llm.request", "agentId": agent, "kind": "loop", "provider": "openai"}
    return line_of({**fields, "model": model, "modelAlias": alias, **more, "time": at_ms})


def code_usage(number: int) -> dict[str, Json]:
    """Return the usage of answer ``number``."""
    counts = (100 + number, 10 + number, 1_000 + number, number)
    return dict(zip(("inputOther", "output", "inputCacheRead", "inputCacheCreation"), counts, strict=True))


def code_record(at_ms: int, number: int, usage: Json = None, alias: str = "fm", agent: str = "main") -> bytes:
    """Return the record of an answer."""
    fields: dict[str, Json] = {"type": "usage.record", "agentId": agent, "model": alias}
    return line_of({**fields, "usage": usage or code_usage(number), "usageScope": "turn", "time": at_ms})


def code_turn(at_ms: int, number: int, agent: str = "main") -> list[bytes]:
    """Return a turn of one request, with what repeats its usage."""
    origin: dict[str, Json] = {"kind": "user"}
    prompt: dict[str, Json] = {"agentId": agent, "input": [{"type": "text", "text": CANARY}], "origin": origin}
    event: dict[str, Json] = {"type": "step.end", "usage": code_usage(number), "messageId": CANARY}
    return [
        line_of({"type": "turn.prompt", **prompt, "promptId": f"msg_{CANARY}{agent}{number}", "time": at_ms}),
        code_request(at_ms + 1, agent=agent),
        code_record(at_ms + 2, number, agent=agent),
        line_of({"type": "context.append_loop_event", "agentId": agent, "event": event, "time": at_ms + 3}),
        line_of({"type": "turn.ended", "agentId": agent, "reason": CANARY, "time": at_ms + 4}),
    ]


def write_kimi_code(home: Path, stage: int) -> None:
    """Write sessions with an agent, a fork, a request that was lost, and records that cannot be used."""
    root = home / ".kimi-code" / "sessions" / "wd_proj_72a920a60cfb"
    for number in range(2):
        session, agent = root / f"session_{id_of('code', number)}", f"a{number:08x}"
        lines, own = [], []
        for turn in range(2 * (stage + 1)):
            at = BEGIN_MS + turn * TURN_MS + number * 1_000
            lines += code_turn(at, 100 * number + turn)
            own += code_turn(at + 100, 1_000 + 100 * number + turn, agent)
        lines += [
            code_request(BEGIN_MS + 501),
            code_request(BEGIN_MS + 502, "other", f"{CANARY}\n"),
            code_record(BEGIN_MS + 503, 3, {"inputOther": -5, "output": CANARY, "inputCacheRead": 9}, "other"),
            code_record(BEGIN_MS + 504, 3, {"inputOther": 0, "output": 0, CANARY: CANARY}),
            code_record(BEGIN_MS + 505, 3, CANARY),
            line_of({"type": "usage.record", "time": CANARY}),
            b'{"type":"usage.record",' + CANARY.encode() + b"}\n",
        ]
        write_lines(session / "agents" / "main" / "wire.jsonl", lines)
        write_lines(session / "agents" / agent / "wire.jsonl", own)
        forked = [line_of({"type": "forked", "agentId": "main", "time": NOW_MS - 9_000_000})]
        fork = [*lines, *forked, *code_turn(NOW_MS - 8_000_000 + number, number)]
        for name in (f"session_{id_of('code fork', number)}", CANARY):
            write_lines(root / name / "agents" / "main" / "wire.jsonl", fork)


# pi


def iso_of(at_ms: int) -> str:
    """Return a moment as JavaScript writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pi_entry(at_ms: int, kind: str, name: str, **fields: Json) -> bytes:
    """Return a line of a session."""
    return line_of({"type": kind, "id": name, "parentId": None, "timestamp": iso_of(at_ms), **fields})


def pi_answer(at_ms: int, number: int, stop: str = "stop", **more: Json) -> bytes:
    """Return an answer; ``more`` replaces fields of its message."""
    cost: Json = {"input": 0.01, "output": 0.02, "cacheRead": 0, "cacheWrite": 0, "total": 0.25}
    usage: Json = {"input": 100 + number, "output": 10, "cacheRead": 1_000, "cacheWrite": number, "cost": cost}
    message: dict[str, Json] = {"role": "assistant", "content": [{"type": "text", "text": f'{CANARY} "usage":'}]}
    message |= {"api": "x", "provider": "p", "model": "m", "usage": usage, "stopReason": stop}
    message |= {"timestamp": at_ms - 9, "responseId": f"chatcmpl-{number}", **more}
    return pi_entry(at_ms, "message", f"{number:08x}", message=message)


def pi_turn(at_ms: int, number: int) -> list[bytes]:
    """Return a prompt and its answer."""
    message: Json = {"role": "user", "content": CANARY, "timestamp": at_ms}
    return [pi_entry(at_ms, "message", f"u{number:07x}", message=message), pi_answer(at_ms + 50, number)]


def pi_header(at_ms: int, name: str, parent: str | None = None) -> bytes:
    """Return the first line of a session."""
    return pi_entry(at_ms, "session", name, cwd=CANARY, version=3, **({"parentSession": parent} if parent else {}))


def write_pi(home: Path, stage: int) -> None:
    """Write sessions with a fork, a compaction, answers that were cut and lines that cannot be used."""
    root = home / ".pi" / "agent" / "sessions" / f"--home-{CANARY}--"
    for number in range(2):
        name, fork_name = id_of("pi", number), id_of("pi fork", number)
        lines = [pi_entry(BEGIN_MS, "model_change", "5dbdb0a0", provider="p", modelId="m")]
        for turn in range(2 * (stage + 1)):
            lines += pi_turn(BEGIN_MS + turn * TURN_MS + 1_000 * number, 100 * number + turn)
        lines += [
            pi_entry(BEGIN_MS + 501, "compaction", "0000000c", summary=CANARY, tokensBefore=9),
            pi_entry(BEGIN_MS + 502, "compaction", "0000000d", summary=CANARY, fromHook=True),
            pi_answer(BEGIN_MS + 503, 900, "aborted", usage={"input": 0, "output": 0, "cost": CANARY}),
            pi_answer(BEGIN_MS + 504, 901, "error", responseId=None, model=f"{CANARY}\n"),
            pi_answer(
                BEGIN_MS + 505, 902, usage={"input": CANARY, "output": -1, "cacheRead": 4, "cost": {"total": -1}}
            ),
            pi_answer(BEGIN_MS + 506, 903, usage=CANARY),
            pi_answer(BEGIN_MS + 507, 904).replace(b'"timestamp":"', b'"timestamp":"' + CANARY.encode()),
            b'{"type":"message","usage":' + CANARY.encode() + b"}\n",
        ]
        write_lines(root / f"{iso_of(BEGIN_MS)}_{name}.jsonl", [pi_header(BEGIN_MS, name), *lines])
        late = NOW_MS - 9_000_000
        fork = [pi_header(late, fork_name, CANARY), *lines, *pi_turn(late + 5, 800 + number)]
        write_lines(root / f"{iso_of(late)}_{fork_name}.jsonl", fork)
        write_lines(root / f"{CANARY}.jsonl", lines)
