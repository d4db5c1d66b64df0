"""A made-up Gemini CLI: answers that are written twice, resumed sessions, answers without numbers. Pure.

Source: the lines of Gemini CLI 0.61.0.
"""

from __future__ import annotations

from aico.features.demo.desk import FOLDER, SAID, Desk, Fields
from aico.features.demo.prices import GEMINI_CLI_MODELS
from aico.features.demo.turns import Spending


class GeminiCli:
    """One session after another; see :class:`aico.features.demo.tools.Tool`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session = self._path = ""
        self._model = GEMINI_CLI_MODELS[0]
        self._spending = Spending()
        self._history: list[Fields] = []
        self._prompts = 0

    def begin(self, *, goes_on: bool) -> None:
        """Begin a session, or go on with the last one, which repeats its whole history."""
        moment = self._desk.tick()
        if goes_on:
            self._desk.append(self._path, {"$set": {"messages": self._history, "lastUpdated": moment}})
            return
        self._session, self._history, self._spending = self._desk.make_id(), [], Spending()
        self._model = self._desk.rng.choice(GEMINI_CLI_MODELS)
        name = f"session-{moment[:16].replace(':', '-')}-{self._session[:8]}"
        self._path = f".gemini/tmp/{FOLDER}/chats/{name}.jsonl"
        self._desk.append(self._path, {"sessionId": self._session, "startTime": moment, "kind": "main"})

    def exchange(self) -> None:
        """Write a prompt, an answer, the same again when its tools have run, and the answer to their results."""
        self._prompts += 1
        self._say("user", content=[{"text": SAID}])
        self._answer()
        tools = [{"name": SAID}]
        self._desk.append(self._path, self._history[-1] | {"toolCalls": tools})
        self._say("user", content=[{"functionResponse": {"name": SAID}}])
        self._answer()

    def end(self) -> None:
        """Write nothing: Gemini CLI does not."""

    def _answer(self) -> None:
        tokens: Fields | None = None
        if self._prompts % 16 != 5:
            answer, self._spending = self._desk.draw(self._model, self._spending)
            sent, got = answer.fresh + answer.read, answer.output - answer.thinking
            counts: Fields = {"input": sent, "output": got, "cached": answer.read, "thoughts": answer.thinking}
            tokens = counts | {"tool": 0, "total": sent + answer.output}
        self._say("gemini", content=SAID, tokens=tokens, model=self._model.model_id)

    def _say(self, kind: str, **fields: object) -> None:
        line = {"id": self._desk.make_id(), "timestamp": self._desk.tick(), "type": kind, **fields}
        self._history.append(line)
        self._desk.append(self._path, line)
