"""The reader of logs: folders below a root, in which a tool appends lines to many files."""

from __future__ import annotations

from dataclasses import dataclass

from aico.core.errors import SourceErrors
from aico.features.files.feed import Feed, ReadLimits
from aico.features.files.line_feed import LineFeed
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState

__all__ = ["LineFile", "LineFormat", "LineParser", "Lines", "PlainState"]


@dataclass(frozen=True, slots=True)
class Lines:
    """How the logs of one origin are read: ``Lines(...).open`` is what an origin opens its roots with."""

    errors: SourceErrors
    """What an origin's errors are, and what its place is called."""
    patterns: tuple[str, ...]
    """The paths below a root that are read: ``*/*.jsonl``; ``**`` stands for any number of folders."""
    format: LineFormat

    def open(self, path: str, limits: ReadLimits) -> Feed:
        """Return the feed of the root at ``path``; opens nothing. Raises ValueError for a path of another shape."""
        return LineFeed(self.errors, self.patterns, self.format, path, limits)
