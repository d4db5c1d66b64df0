"""Code that the content security policy forbids is not even written down."""

from __future__ import annotations

import re

import pytest

from tests.web.page_files import SCRIPTS, WEB

FORBIDDEN_IN_SCRIPTS = {
    "markup from text": r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML",
    "code from text": r"\beval\s*\(|new Function|setTimeout\(\s*[\"'`]",
    "another origin": r"https?://(?!\$)",
    "a style attribute in markup": r"style=\"|style=\$\{[`\"']",
}


@pytest.mark.parametrize("what", FORBIDDEN_IN_SCRIPTS)
def test_scripts_hold_no(what: str) -> None:
    """None of our modules contains it."""
    pattern = re.compile(FORBIDDEN_IN_SCRIPTS[what])

    assert [path.name for path in SCRIPTS if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_page_has_no_inline_script_style_or_handler() -> None:
    """The document only points at files of this origin."""
    html = (WEB / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script([^>]*)>([^<]*)</script>", html)

    assert scripts
    assert all(re.search(r'src="assets/', attributes) and not body for attributes, body in scripts)
    assert re.search(r"<style|\sstyle=|\son\w+=|https?://", html) is None


def test_style_sheet_loads_nothing() -> None:
    """No font, image or other sheet is fetched by the style sheet."""
    css = (WEB / "app.css").read_text(encoding="utf-8")

    assert re.search(r"url\(|@import", css) is None


def test_every_file_that_the_page_names_exists() -> None:
    """Each asset that the document asks for is in the package."""
    html = (WEB / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="assets/([^"]+)"', html)

    assert names
    assert [name for name in names if not (WEB / name).is_file()] == []


def test_every_import_is_relative_and_exists() -> None:
    """A module imports its neighbours by path: bare names would need an import map, which the policy forbids."""
    imports = [
        (path, target)
        for path in (*SCRIPTS, *(WEB / "vendor").glob("*.js"))
        for target in re.findall(r'(?:[}*\s]from|^import)\s*"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert imports
    assert [(path.name, target) for path, target in imports if not (path.parent / target).resolve().is_file()] == []
