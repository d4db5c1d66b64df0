"""A made-up Claude Code: answers in blocks, agents, forks, requests without an answer, totals with hidden calls. Pure.

Source: the lines of Claude Code 2.1.332.
"""

from __future__ import annotations

from aico.features.demo.desk import FOLDER, SAID, Answer, Desk, Fields
from aico.features.demo.prices import CLAUDE_CODE_MODELS, CLAUDE_CODE_SMALL, DemoModel
from aico.features.demo.turns import Spending

_ROOT = f".claude/projects/{FOLDER}"
_KINDS = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens", "thinkingTokens")


class ClaudeCode:
    """One session after another; see :class:`aico.features.demo.tools.Tool`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session = ""
        self._model = CLAUDE_CODE_MODELS[0]
        self._spending = Spending()
        self._lines: list[Fields] = []
        """The lines that a fork copies."""
        self._billed: dict[str, list[int]] = {}
        """By model, in the order of ``_KINDS``."""
        self._prompts = 0

    def begin(self, *, goes_on: bool) -> None:
        """Begin a session; one that goes on is a fork: it copies the last one, and its total begins with that one's."""
        origin, lines = self._session, self._lines
        self._session, self._lines = self._desk.make_id(), []
        if goes_on:
            for line in lines:
                copied = {**line, "sessionId": self._session}
                self._write(copied | ({"requestSessionId": origin} if line["type"] == "assistant" else {}))
        else:
            self._model = self._desk.rng.choice(CLAUDE_CODE_MODELS)
            self._spending, self._billed = Spending(), {}
        self._bill(self._desk.draw_hidden(CLAUDE_CODE_SMALL))

    def exchange(self) -> None:
        """Write a prompt and its answer: now and then an agent works for it, or the request is interrupted."""
        self._prompts += 1
        self._write(self._line("user") | {"message": {"role": "user", "content": SAID}})
        if self._prompts % 13 == 9:
            self._request(self._model)
            return
        if self._prompts % 5 == 3:
            self._answer(self._model, "tool_use")
            self._let_agent_work()
            self._write(self._line("user") | {"message": {"role": "user", "content": SAID}, "toolUseResult": SAID})
        self._answer(self._model, "end_turn")

    def end(self) -> None:
        """Write the bill since the session began."""
        usage = {model: dict(zip(_KINDS, counts, strict=True)) for model, counts in self._billed.items()}
        self._desk.append(self._path(), {"type": "cost-state", "sessionId": self._session, "modelUsage": usage})

    def _let_agent_work(self) -> None:
        agent, model, spending = f"a{self._desk.rng.getrandbits(64):016x}", CLAUDE_CODE_SMALL, Spending()
        for stop in ("tool_use", "end_turn"):
            spending = self._answer(model, stop, agent=agent, spending=spending)

    def _answer(self, model: DemoModel, stop: str, *, agent: str = "", spending: Spending | None = None) -> Spending:
        """Write a request and the two blocks of its answer, each with the usage of the whole."""
        answer, after = self._desk.draw(model, self._spending if spending is None else spending)
        if spending is None:
            self._spending = after
        self._bill(answer)
        ref = self._request(model, agent)
        message = {
            "id": f"msg_{self._desk.rng.getrandbits(64):016x}",
            "type": "message",
            "role": "assistant",
            "model": model.model_id,
            "content": [{"type": "text", "text": SAID}],
            "stop_reason": stop,
            "stop_details": None,
            "usage": {
                "input_tokens": answer.fresh,
                "cache_creation_input_tokens": answer.written,
                "cache_read_input_tokens": answer.read,
                "output_tokens": answer.output,
                "output_tokens_details": {"thinking_tokens": answer.thinking},
                "cache_creation": {
                    "ephemeral_5m_input_tokens": answer.written,
                    "ephemeral_1h_input_tokens": 0,
                },
            },
        }
        for _ in range(2):
            self._write(self._line("assistant", agent) | {"message": message, "requestRef": ref}, agent)
        return after

    def _request(self, model: DemoModel, agent: str = "") -> str:
        """Announce a request; return its reference."""
        ref = self._desk.make_id()
        line = self._line("api-request", agent) | {"id": ref, "params": {"model": model.model_id}}
        self._desk.append(self._path(agent), line)
        return ref

    def _line(self, kind: str, agent: str = "") -> Fields:
        return {
            "isSidechain": bool(agent),
            **({"agentId": agent} if agent else {}),
            "type": kind,
            "uuid": self._desk.make_id(),
            "timestamp": self._desk.tick(),
            "sessionId": self._session,
            "version": "2.1.332",
        }

    def _write(self, line: Fields, agent: str = "") -> None:
        if not agent:
            self._lines.append(line)
        self._desk.append(self._path(agent), line)

    def _path(self, agent: str = "") -> str:
        below = f"/subagents/agent-{agent}" if agent else ""
        return f"{_ROOT}/{self._session}{below}.jsonl"

    def _bill(self, answer: Answer) -> None:
        counts = (answer.fresh, answer.read, answer.written, answer.output, answer.thinking)
        known = self._billed.get(answer.model, [0] * len(_KINDS))
        # A new list: the fork's total is not that of its original.
        self._billed = self._billed | {answer.model: [a + b for a, b in zip(known, counts, strict=True)]}
