"""Every helper of the tests is listed where people look for it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
HELPER = re.compile(r"^\| `([a-z0-9_/]+)` \| \S", re.MULTILINE)


def read_rows() -> tuple[list[str], list[str]]:
    """Return the folders and the helpers that the page lists, in its order."""
    folders, helpers = (TESTS / "README.md").read_text(encoding="utf-8").split("\n| helper |")
    return HELPER.findall(folders), HELPER.findall(helpers)


def test_page_lists_every_helper_once_and_no_other() -> None:
    """Each module that is no test has its row, and each row its module."""
    modules = (path.relative_to(TESTS) for path in TESTS.rglob("*.py"))
    helpers = {
        str(path.with_suffix("")) for path in modules if path.name != "__init__.py" and not path.match("test_*.py")
    }
    _folders, listed = read_rows()
    assert sorted(listed) == sorted(helpers)


def test_page_lists_every_folder_of_tests_once_and_no_other() -> None:
    """Each package has its row, and each row its package."""
    listed, _helpers = read_rows()
    assert sorted(listed) == sorted(path.parent.name for path in TESTS.glob("*/__init__.py"))
