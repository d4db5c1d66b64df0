"""The list of the sources that are known: one line each."""

from __future__ import annotations

from aico.features.sources import cline
from aico.features.sources.source import Source

SOURCES: tuple[Source, ...] = (cline.SOURCE,)
