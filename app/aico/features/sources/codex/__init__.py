"""Codex: the rollouts of its threads, active, archived and compressed."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.codex.parser import FORMAT
from aico.features.sources.codex.places import PATTERNS, choose_roots
from aico.features.sources.source import GapKind, Origin, Source

ROLLOUTS = Lines(SourceErrors(OriginName("codex", "sessions", "rollout folder")), PATTERNS, FORMAT)

SESSIONS = Origin(
    id="sessions",
    title="rollout folder",
    places=choose_roots,
    open=ROLLOUTS.open,
    privacy="the prompts and answers, the output of tools and the paths of folders",
)

SOURCE = Source(
    id="codex",
    title="Codex",
    origins=(SESSIONS,),
    gaps=(
        GapKind("titles", "billed and in no rollout: titles in interactive use"),
        GapKind("failed", "billed and in no rollout: responses that failed before their first words"),
    ),
    states_folder=True,
)
