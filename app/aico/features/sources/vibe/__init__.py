"""Mistral Vibe: the totals of its sessions."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.pointers import Pointers
from aico.features.sources.source import GapKind, Origin, Outdated, Roots, Source
from aico.features.sources.vibe.parser import FORMAT, UNRECORDED

PATTERNS = ("*/CURRENT",)
TOTALS = Pointers(SourceErrors(OriginName("vibe", "sessions", "session folder")), PATTERNS, FORMAT)

SESSIONS = Origin(
    id="sessions",
    title="session folder",
    places=Roots("vibe", "sessions", ".vibe", "logs/session/unified", (("VIBE_HOME", "logs/session/unified"),)),
    open=TOTALS.open,
    outdated=Outdated("../session_*", "Vibe before 3.0 kept its sessions there"),
    privacy="the prompts and answers, the journals of sessions, their titles and the paths of folders",
)

SOURCE = Source(
    id="vibe",
    title="Mistral Vibe",
    origins=(SESSIONS,),
    gaps=(GapKind(UNRECORDED, "billed and in no total: answers that broke off"),),
)
