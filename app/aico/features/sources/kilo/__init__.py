"""Kilo CLI, which keeps its messages as OpenCode does, whose fork it is; of an old channel even under its name."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.sources.opencode.messages import make_rows
from aico.features.sources.opencode.places import choose_folders
from aico.features.sources.source import Origin, Source

MESSAGES = make_rows(SourceErrors(OriginName("kilo", "messages", "database")), ("kilo*.db", "opencode-*.db"))

SOURCE = Source(
    id="kilo",
    title="Kilo",
    origins=(
        Origin(
            id="messages",
            title="database",
            places=lambda around: choose_folders(around, "kilo", "KILO_DB"),
            open=MESSAGES.open,
            privacy="the prompts, answers, titles and paths of folders in the same database",
        ),
    ),
)
