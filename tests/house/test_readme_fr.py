"""The README in French says of every name what the README in English says: the same names, in the same order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.documented_commands import ROOT, list_blocks, list_documents, words_of_line

ENGLISH, FRENCH = ROOT / "README.md", ROOT / "README.fr.md"
SAME_CELLS = {"command": (0,), "tool": (0, 2), "question": ()}
"""By the title of a table's first column: the columns that no translation changes."""
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def read_tables(path: Path) -> list[list[list[str]]]:
    """Return every table of a document: rows of cells, the title first, without the line below it."""
    found = _TABLE.findall(path.read_text(encoding="utf-8"))
    tables = [[re.split(r"(?<!\\)\|", row.strip()[1:-1]) for row in table.splitlines()] for table in found]
    return [[[cell.strip() for cell in row] for row in [table[0], *table[2:]]] for table in tables]


def headings(path: Path) -> list[str]:
    """Return the headings of a document."""
    return re.findall(r"^#+ .*$", _FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)


def test_both_have_the_same_structure() -> None:
    """Section by section, level by level."""
    assert [line.split()[0] for line in headings(FRENCH)] == [line.split()[0] for line in headings(ENGLISH)]


def test_both_show_the_same_commands() -> None:
    """Every block of commands is the same, comments aside."""
    shown = [
        [[words_of_line(line) for line in block.lines] for block in list_blocks(path)] for path in (ENGLISH, FRENCH)
    ]
    assert shown[0] == shown[1]


def test_both_show_the_same_code() -> None:
    """Blocks of other languages are the same to the letter."""
    code = re.compile(r"^```(?!sh\n)\w+\n.*?^```", re.MULTILINE | re.DOTALL)
    assert code.findall(FRENCH.read_text(encoding="utf-8")) == code.findall(ENGLISH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("index", range(len(read_tables(ENGLISH))))
def test_both_have_the_same_names_in_each_table(index: int) -> None:
    """Commands, tools and where more is said are the same in both."""
    english, french = read_tables(ENGLISH)[index], read_tables(FRENCH)[index]
    columns = SAME_CELLS[english[0][0]]
    assert [[row[column] for column in columns] for row in french[1:]] == [
        [row[column] for column in columns] for row in english[1:]
    ]
    assert [len(row) for row in french] == [len(row) for row in english]
    assert _LINK.findall(str(french)) == _LINK.findall(str(english))


def test_both_have_the_same_number_of_tables() -> None:
    """No table is missing."""
    assert len(read_tables(FRENCH)) == len(read_tables(ENGLISH))


@pytest.mark.parametrize(("path", "other"), [(ENGLISH, FRENCH), (FRENCH, ENGLISH)])
def test_each_names_the_other(path: Path, other: Path) -> None:
    """A reader of the one finds the other."""
    assert f"]({other.name})" in path.read_text(encoding="utf-8")


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading. Source: how GitHub makes them."""
    text = heading.lstrip("#").strip().lower().replace("`", "")
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@pytest.mark.parametrize("document", list_documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    """Every link within the project names a file that is there, and a heading that is in it."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists():
            target = target.with_name(target.name + ".md")
        assert target.exists(), link
        if anchor:
            assert anchor in map(anchor_of, headings(target)), link
