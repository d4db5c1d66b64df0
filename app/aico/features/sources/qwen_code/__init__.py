"""Qwen Code: its usage ledger, and the files of its sessions."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.qwen_code import calls
from aico.features.sources.qwen_code.places import choose_ledgers, choose_sessions
from aico.features.sources.source import Origin, Source

ID = "qwen-code"
LEDGER = Lines(SourceErrors(OriginName(ID, "usage", "usage ledger")), ("token-usage-*.jsonl",), calls.LEDGER)
FILES = Lines(SourceErrors(OriginName(ID, "chats", "session folder")), ("*/chats/**/*.jsonl",), calls.SESSIONS)

SOURCE = Source(
    id=ID,
    title="Qwen Code",
    origins=(
        Origin("usage", "usage ledger", choose_ledgers, LEDGER.open),
        Origin(
            "chats",
            "session folder",
            choose_sessions,
            FILES.open,
            privacy="the prompts and answers, the output of tools and the paths of folders",
        ),
    ),
    states_folder=True,
)
