"""The readers of logs: folders below a root, in which a tool appends lines to many files, or one such file."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape

from aico.core.errors import SourceErrors
from aico.features.files.feed import Feed, ReadLimits
from aico.features.files.line_feed import LineFeed
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState

__all__ = ["LineFile", "LineFormat", "LineParser", "Lines", "OneFileOfLines", "PlainState"]


@dataclass(frozen=True, slots=True)
class Lines:
    """How the logs of one origin are read: ``Lines(...).open`` is what an origin opens its roots with."""

    errors: SourceErrors
    """The errors of the origin; they hold the name of its place."""
    patterns: tuple[str, ...]
    """The paths below a root that are read: ``*/*.jsonl``; ``**`` stands for any number of folders."""
    format: LineFormat

    def open(self, path: str, limits: ReadLimits) -> Feed:
        """Return the feed of the root at ``path``; opens nothing. Raises ValueError for a path of another shape."""
        return LineFeed(self.errors, self.patterns, self.format, path, limits)


@dataclass(frozen=True, slots=True)
class OneFileOfLines:
    """How one log is read that stands by itself, in a folder of which nothing else is looked at."""

    errors: SourceErrors
    format: LineFormat

    def open(self, path: str, limits: ReadLimits) -> Feed:
        """Return the feed of the file at ``path``; opens nothing. Raises ValueError for a path of another shape."""
        folder, _, name = path.rpartition("/")
        return LineFeed(self.errors, (escape(name),), self.format, folder, limits, named=path)
