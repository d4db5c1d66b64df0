"""pi: the files of its sessions."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.pi.parser import COMPACTION, FORMAT, UNRECORDED
from aico.features.sources.source import GapKind, Origin, Roots, Source

FILES = Lines(SourceErrors(OriginName("pi", "sessions", "session folder")), ("*.jsonl", "*/*.jsonl"), FORMAT)
VARIABLES = (("PI_CODING_AGENT_SESSION_DIR", ""), ("PI_CODING_AGENT_DIR", "sessions"))

SESSIONS = Origin(
    id="sessions",
    title="session folder",
    places=Roots("pi", "sessions", ".pi", "agent/sessions", VARIABLES),
    open=FILES.open,
    privacy="the prompts and answers, the output of tools and the paths of folders",
)

SOURCE = Source(
    id="pi",
    title="pi",
    origins=(SESSIONS,),
    gaps=(
        GapKind(COMPACTION, "compaction and summaries of branches by pi before 0.81: written, but not what they used"),
        GapKind(UNRECORDED, "billed and in no file: runs with --no-session, such as those that extensions start"),
    ),
    states_folder=True,
)
