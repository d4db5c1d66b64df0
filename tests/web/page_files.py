"""The places of the dashboard's files, and those among them that count as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "app" / "aico" / "web"
VENDOR = WEB / "vendor"
SCRIPTS = sorted((WEB / "js").rglob("*.js"))
LANGUAGES = ("en", "fr")
_STATIC = re.compile(r'^(?:import|export)\s[^"()]*?"(\.[^"]+)";', re.MULTILINE)
"""An import that the browser follows at once, unlike ``import("...")``."""


def _reached_from(script: Path, seen: set[Path]) -> Iterator[Path]:
    if script in seen or not script.is_relative_to(WEB / "js"):
        return
    seen.add(script)
    yield script
    for name in _STATIC.findall(script.read_text(encoding="utf-8")):
        yield from _reached_from((script.parent / name).resolve(), seen)


def opening_scripts() -> list[Path]:
    """Return our own modules that a browser loads before anything is on the page; the others wait until used."""
    seen: set[Path] = set()
    return [path for name in ("early", "main") for path in _reached_from(WEB / "js" / f"{name}.js", seen)]


def page_files(language: str) -> list[Path]:
    """Return every file that a browser loads to show the page in ``language``."""
    vendored = [path for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}]
    first_party = [WEB / "index.html", WEB / "app.css", WEB / "favicon.svg", WEB / "i18n" / f"{language}.json"]
    return [*first_party, *opening_scripts(), *vendored]


def size_of(files: list[Path]) -> int:
    """Return the bytes of ``files`` together."""
    return sum(path.stat().st_size for path in files)
