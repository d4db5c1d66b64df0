"""A made-up Codex: threads with records, older ones with totals alone, forks of both, answers without numbers. Pure.

Source: the lines of Codex 0.140 and 0.171.
"""

from __future__ import annotations

from aico.features.demo.desk import SAID, Answer, Desk, Fields
from aico.features.demo.prices import CODEX_MODELS
from aico.features.demo.turns import Spending

_NAMES = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens", "reasoning_output_tokens")
_NOTHING = (0, 0, 0, 0, 0)


class Codex:
    """One thread after another; see :class:`aico.features.demo.tools.Tool`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = self._path = ""
        self._has_records = True
        self._model = CODEX_MODELS[0]
        self._spending = Spending()
        self._total: tuple[int, ...] = _NOTHING
        self._last: tuple[int, ...] = _NOTHING
        self._lines: list[tuple[str, Fields]] = []
        """The lines that a fork of an older version copies."""
        self._threads = self._prompts = 0

    def begin(self, *, goes_on: bool) -> None:
        """Begin a thread; one that goes on is a fork: newer ones name their base, older ones copy it."""
        base, lines = self._thread, self._lines
        moment = self._desk.tick()
        self._thread, self._lines = self._desk.make_id(version=7), []
        day, name = moment[:10].replace("-", "/"), moment[:19].replace(":", "-")
        self._path = f".codex/sessions/{day}/rollout-{name}-{self._thread}.jsonl"
        if not goes_on:
            self._has_records = self._threads % 2 == 0
            self._model = self._desk.rng.choice(CODEX_MODELS)
            self._spending, self._total, self._last = Spending(), _NOTHING, _NOTHING
        self._threads += 1
        version = "0.171.0" if self._has_records else "0.140.0"
        head: Fields = {"id": self._thread, "session_id": self._thread, "timestamp": moment, "cli_version": version}
        self._say("session_meta", head | ({"forked_from_id": base} if goes_on else {}))
        if goes_on and not self._has_records:
            for kind, payload in lines:
                self._say(kind, payload)

    def exchange(self) -> None:
        """Write a turn of two requests; now and then the last one of them gets no numbers."""
        self._prompts += 1
        self._desk.tick()
        turn = self._desk.make_id(version=7)
        self._say("event_msg", {"type": "task_started", "turn_id": turn})
        self._say("turn_context", {"turn_id": turn, "model": self._model.model_id})
        item = {"type": "UserMessage", "id": turn}
        said: Fields = {"type": "user_message", "message": SAID}
        self._say("event_msg", {"type": "item_completed", "item": item} if self._has_records else said)
        self._answer(turn, is_measured=True)
        self._answer(turn, is_measured=self._prompts % 12 != 4)

    def end(self) -> None:
        """Write nothing: Codex does not."""

    def _answer(self, turn: str, *, is_measured: bool) -> None:
        content = [{"type": "output_text", "text": SAID}]
        self._say("response_item", {"type": "message", "role": "assistant", "content": content})
        if is_measured:
            answer, self._spending = self._desk.draw(self._model, self._spending)
            self._last = _counts_of(answer)
            self._total = tuple(a + b for a, b in zip(self._total, self._last, strict=True))
            if self._has_records:
                response = f"resp_{self._desk.rng.getrandbits(64):016x}"
                ids: Fields = {"thread_id": self._thread, "turn_id": turn, "response_id": response}
                self._say("token_usage_record", ids | {"usage": _usage_of(self._last)})
        info = {"total_token_usage": _usage_of(self._total), "last_token_usage": _usage_of(self._last)}
        self._say("event_msg", {"type": "token_count", "info": info})

    def _say(self, kind: str, payload: Fields) -> None:
        self._lines.append((kind, payload))
        self._desk.append(self._path, {"timestamp": self._desk.tick(), "type": kind, "payload": payload})


def _counts_of(answer: Answer) -> tuple[int, ...]:
    """Return an answer as Codex counts it: input holds the cache."""
    sent = answer.fresh + answer.read + answer.written
    return sent, answer.read, answer.written, answer.output, answer.thinking


def _usage_of(counts: tuple[int, ...]) -> Fields:
    return {**dict(zip(_NAMES, counts, strict=True)), "total_tokens": counts[0] + counts[3]}
