"""The commands that documents show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that stand together in one document, and are run one after the other."""

    document: str
    number: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """Return a name for the report."""
        return f"{self.document}-{self.number}"


def list_documents() -> list[Path]:
    """Return every document for people who use or build this."""
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("deploy/**/*.md"))]


def list_blocks(path: Path) -> list[Block]:
    """Return the blocks of shell commands of a document; a line continued by a backslash is one."""
    found = _BLOCK.findall(path.read_text(encoding="utf-8"))
    name = str(path.relative_to(ROOT))
    joined = [re.sub(r"\\\n\s*", "", block) for block in found]
    return [
        Block(name, number, tuple(line for line in block.splitlines() if words_of_line(line)))
        for number, block in enumerate(joined, 1)
    ]


def words_of_line(line: str) -> list[str]:
    """Return the words of a line of shell, without its comment."""
    return shlex.split(line, comments=True)


def list_spans(path: Path) -> list[str]:
    """Return what stands in backticks in the running text of a document."""
    text = _ANY_BLOCK.sub("", path.read_text(encoding="utf-8"))
    return [" ".join(span.split()).replace("\\|", "|") for span in _SPAN.findall(text)]
