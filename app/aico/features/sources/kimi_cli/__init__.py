"""Kimi CLI: the wire logs of its sessions and of the agents that they start."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.kimi_cli.parser import COMPACTION, FORMAT, UNRECORDED
from aico.features.sources.source import GapKind, Origin, Roots, Source

PATTERNS = ("*/*/wire.jsonl", "*/*/subagents/*/wire.jsonl")
LOGS = Lines(SourceErrors(OriginName("kimi-cli", "sessions", "session folder")), PATTERNS, FORMAT)

SESSIONS = Origin(
    id="sessions",
    title="session folder",
    places=Roots("kimi-cli", "sessions", ".kimi", "sessions", (("KIMI_SHARE_DIR", "sessions"),)),
    open=LOGS.open,
    privacy="the prompts and answers, the output of tools and the titles of sessions",
)

SOURCE = Source(
    id="kimi-cli",
    title="Kimi CLI",
    origins=(SESSIONS,),
    gaps=(
        GapKind(COMPACTION, "compaction: that it was done is written, not what it used"),
        GapKind(UNRECORDED, "billed and in no file: titles in the web interface, attempts that broke off"),
    ),
)
