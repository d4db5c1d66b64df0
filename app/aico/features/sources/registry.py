"""The list of the sources that are known: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from aico.features.sources import (
    claude_code,
    cline,
    codex,
    copilot_cli,
    gemini_cli,
    kilo,
    kimi_cli,
    kimi_code,
    opencode,
    pi,
    qwen_code,
    vibe,
)
from aico.features.sources.source import Source

SOURCES: tuple[Source, ...] = (
    cline.SOURCE,
    claude_code.SOURCE,
    codex.SOURCE,
    gemini_cli.SOURCE,
    qwen_code.SOURCE,
    opencode.SOURCE,
    kilo.SOURCE,
    kimi_cli.SOURCE,
    kimi_code.SOURCE,
    pi.SOURCE,
    vibe.SOURCE,
    copilot_cli.SOURCE,
)
KNOWN: Mapping[str, tuple[str, ...]] = {source.id: tuple(origin.id for origin in source.origins) for source in SOURCES}
"""The ids of all sources, each with the ids of its origins: the names that settings may use."""
