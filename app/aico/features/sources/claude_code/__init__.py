"""Claude Code: the transcripts of its sessions and of the agents that they start."""

from __future__ import annotations

from aico.core.errors import OriginName, SourceErrors
from aico.features.files.lines import Lines
from aico.features.sources.claude_code.parser import FORMAT, UNRECORDED
from aico.features.sources.claude_code.places import choose_roots
from aico.features.sources.source import GapKind, Origin, Source

TRANSCRIPTS = Lines(SourceErrors(OriginName("claude-code", "projects", "transcript folder")), ("**/*.jsonl",), FORMAT)

PROJECTS = Origin(
    id="projects",
    title="transcript folder",
    places=choose_roots,
    open=TRANSCRIPTS.open,
    privacy="the prompts and answers, the output of tools and the paths of folders",
)

SOURCE = Source(
    id="claude-code",
    title="Claude Code",
    origins=(PROJECTS,),
    gaps=(GapKind(UNRECORDED, "billed and in no transcript: titles, compaction, web searches, hooks"),),
    states_folder=True,
)
