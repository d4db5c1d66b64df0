"""Where the dashboard's files are, and what counts as ours."""

from __future__ import annotations

from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "app" / "aico" / "web"
VENDOR = WEB / "vendor"
SCRIPTS = sorted((WEB / "js").rglob("*.js"))
LATER = [WEB / "js" / "ui" / name for name in ("terms.js", "prices.js", "seen.js")]
"""Scripts that are loaded when somebody opens what they draw."""
LANGUAGES = ("en", "fr")


def page_files(language: str) -> list[Path]:
    """Return every file that a browser loads for the page in ``language``, those that it loads later included."""
    vendored = [path for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}]
    first_party = [WEB / "index.html", WEB / "app.css", WEB / "favicon.svg", WEB / "i18n" / f"{language}.json"]
    return [*first_party, *SCRIPTS, *vendored]


def size_of(files: list[Path]) -> int:
    """Return the bytes of ``files`` together."""
    return sum(path.stat().st_size for path in files)
