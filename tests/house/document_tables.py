"""Reads the tables and the code of the documents."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_table(document: str, index: int = 0) -> dict[str, list[str]]:
    """Return table number ``index`` of a document: first cell to all cells, without backticks."""
    text = (ROOT / document).read_text(encoding="utf-8")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in tables[index].strip().splitlines()[2:]]
    return {row[0].strip("`"): [cell.strip("`") for cell in row] for row in rows}


def documented_python(document: str) -> str:
    """Return the first lines of Python in a document."""
    return documented_block(document, "python")


def documented_block(document: str, language: str) -> str:
    """Return the first lines of ``language`` in a document."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)
