"""A tool that nobody wrote: it appends lines to one file per session, with a model that is named once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import Record, Rejection, RejectionCode, Tokens, UsageEvent, digest
from aico.features.files.lines import LineFile, LineFormat, Lines, PlainState
from aico.features.sources.source import Origin, Place, Source, Surroundings

USE, MODEL = "spent", "speaks"
_USE = msgspec.json.Decoder(tuple[str, msgspec.Raw, str, int, int | None])
_MODEL = msgspec.json.Decoder(tuple[str, str])


class Parser:
    """Reads ``["spent", id, session, ts, tokens]`` and ``["speaks", model]``, which holds for what follows."""

    def __init__(self, _file: LineFile, state: PlainState) -> None:
        self._model = state if isinstance(state, str) else None

    @property
    def state(self) -> PlainState:
        """The model that was named last."""
        return self._model

    def parse(self, line: memoryview, index: int) -> Iterable[Record | Rejection]:
        """Parse a line."""
        errors = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
        with suppress(*errors):
            word, name = _MODEL.decode(line)
            if word == MODEL:
                self._model = name
            return []
        try:
            _, key, session, ts, tokens = _USE.decode(line)
        except errors:
            return [Rejection(index, RejectionCode.WRONG_TYPE, None)]
        event = UsageEvent(digest(bytes(key)), session, ts, self._model, Tokens(input=tokens))
        if tokens is None:
            return [event._replace(unknown=("tokens",)), Rejection(index, RejectionCode.MISSING, "tokens")]
        return [event]


FORMAT = LineFormat(1, (b'"spent"', b'"speaks"'), Parser)
ERRORS = SourceErrors(OriginName("invented-lines", "logs", "Invented log"))
PATTERNS = ("*/*.jsonl", "*/*/more/part-*.jsonl")
LOGS = Lines(ERRORS, PATTERNS, FORMAT)


def places(around: Surroundings) -> tuple[Place, ...]:
    """Return the one root below the home, or those that are named."""
    roots = around.configured.get("") or (f"{around.home}/.lines/logs",)
    return tuple(Place(root, "default") for root in roots)


SOURCE = Source("invented-lines", "Invented lines", (Origin("logs", "log", places, LOGS.open),))


def use(key: str, tokens: int | None = 1, *, session: str = "s", ts: int = 1_779_000_000_000) -> bytes:
    """Return the line of one request."""
    return json.dumps([USE, key, session, ts, tokens]).encode() + b"\n"


def model(name: str) -> bytes:
    """Return the line that names the model of what follows."""
    return json.dumps([MODEL, name]).encode() + b"\n"


def say(text: str) -> bytes:
    """Return a line that says nothing of usage."""
    return json.dumps(["said", text]).encode() + b"\n"


class LogFolder:
    """A root with logs, and what the tool does to them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def append(self, name: str, *lines: bytes) -> Path:
        """Append ``lines`` to the log called ``name`` as one write."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(b"".join(lines))
        return path
