"""Reads the tables and the code of the README."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_table(section: str, index: int = 0) -> dict[str, list[str]]:
    """Return table number ``index`` of the section titled ``section``: first cell to all cells, without backticks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    tables = [block for block in body.split("\n\n") if block.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in tables[index].strip().splitlines()[2:]]
    return {row[0].strip("`"): [cell.strip("`") for cell in row] for row in rows}


def documented_python(section: str) -> str:
    """Return the Python lines of the section titled ``section``."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text.split(f"### {section}\n", 1)[1], re.DOTALL)
    assert found is not None
    return found.group(1)
