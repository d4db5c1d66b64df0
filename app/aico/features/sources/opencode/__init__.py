"""OpenCode: the messages in its databases."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.sources.opencode.messages import make_rows
from aico.features.sources.opencode.places import choose_folders
from aico.features.sources.source import GapKind, Origin, Outdated, Source

MESSAGES = make_rows(SourceErrors(OriginName("opencode", "messages", "database")), ("opencode*.db",))

SOURCE = Source(
    id="opencode",
    title="OpenCode",
    origins=(
        Origin(
            id="messages",
            title="database",
            places=lambda around: choose_folders(around, "opencode", "OPENCODE_DB"),
            open=MESSAGES.open,
            outdated=Outdated(
                "storage/message",
                "OpenCode before 1.2 kept its messages there; 1.2 to 1.15 move them into the database",
            ),
            privacy="the prompts, answers, titles and paths of folders in the same database",
        ),
    ),
    gaps=(GapKind("titles", "billed and in no database: the title of each new session"),),
)
