"""Gemini CLI: the files of its sessions and of the agents that they start, and the telemetry that it can write."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines, OneFileOfLines
from aico.features.sources.gemini_cli import chats, telemetry
from aico.features.sources.gemini_cli.places import choose_outfiles, choose_roots
from aico.features.sources.source import GapKind, Origin, Source

ID = "gemini-cli"
FILES = Lines(
    SourceErrors(OriginName(ID, "chats", "session folder")),
    ("*/chats/**/*.jsonl", "*/chats/session-*.json"),
    chats.FORMAT,
)
OUTFILE = OneFileOfLines(SourceErrors(OriginName(ID, "telemetry", "telemetry file")), telemetry.FORMAT)

CHATS = Origin(
    id="chats",
    title="session folder",
    places=choose_roots,
    open=FILES.open,
    privacy="the prompts and answers, the output of tools and the paths of folders",
)
TELEMETRY = Origin(
    id="telemetry",
    title="telemetry file",
    places=choose_outfiles,
    open=OUTFILE.open,
    privacy="the prompts and answers, the command line and the names of the machine and its user",
)

_ONLY = "in the telemetry file alone"
SOURCE = Source(
    id=ID,
    title="Gemini CLI",
    origins=(CHATS, TELEMETRY),
    gaps=(
        GapKind("routing", f"the choice of a model, one call per prompt in the default mode: {_ONLY}"),
        GapKind("search", f"web searches: {_ONLY}"),
        GapKind("loop-check", f"checks for loops: {_ONLY}"),
        GapKind("summary", f"summaries of sessions, also when sessions are listed: {_ONLY}"),
        GapKind("compression", f"compression of the history: {_ONLY}"),
        GapKind("cut", f"answers that broke off, and their repetitions: {_ONLY}"),
    ),
)
