"""Kimi Code: the wire logs of its agents, one of them the session's own."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.kimi_code.parser import FORMAT
from aico.features.sources.source import Origin, Roots, Source

LOGS = Lines(SourceErrors(OriginName("kimi-code", "sessions", "session folder")), ("*/*/agents/*/wire.jsonl",), FORMAT)

SESSIONS = Origin(
    id="sessions",
    title="session folder",
    places=Roots("kimi-code", "sessions", ".kimi-code", "sessions", (("KIMI_CODE_HOME", "sessions"),)),
    open=LOGS.open,
    privacy="the prompts and answers, the output of tools and the paths of folders",
)

SOURCE = Source(id="kimi-code", title="Kimi Code", origins=(SESSIONS,))
