"""The places of browsers' profiles. Lists folders and reads ``profiles.ini``; opens no history.

Safari and every path of macOS are from documentation: **untested on macOS**.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aico.features.activity.browsers import chromium, firefox, safari
from aico.features.activity.browsers.visits import History

_PROFILES_MAX = 50
_INI_MAX_BYTES = 1 << 16


class Browser(NamedTuple):
    """A browser, and the folders that may hold its profiles."""

    id: str
    """Also its name in the extension."""
    title: str
    history: History
    linux: tuple[str, ...]
    """Below the home directory; ``~`` is the folder of configurations."""
    macos: tuple[str, ...] = ()


class Profile(NamedTuple):
    """A profile that has a history."""

    browser: Browser
    path: str
    """Of the history."""


_SUPPORT = "Library/Application Support"
BROWSERS: tuple[Browser, ...] = (
    Browser(
        "chrome",
        "Chrome",
        chromium.HISTORY,
        (
            "~/google-chrome",
            "~/google-chrome-beta",
            "~/google-chrome-unstable",
            ".var/app/com.google.Chrome/config/google-chrome",
        ),
        (f"{_SUPPORT}/Google/Chrome", f"{_SUPPORT}/Google/Chrome Beta"),
    ),
    Browser(
        "chromium",
        "Chromium",
        chromium.HISTORY,
        ("~/chromium", "snap/chromium/common/chromium", ".var/app/org.chromium.Chromium/config/chromium"),
        (f"{_SUPPORT}/Chromium",),
    ),
    Browser(
        "brave",
        "Brave",
        chromium.HISTORY,
        (
            "~/BraveSoftware/Brave-Browser",
            "snap/brave/current/.config/BraveSoftware/Brave-Browser",
            ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
        ),
        (f"{_SUPPORT}/BraveSoftware/Brave-Browser",),
    ),
    Browser(
        "edge",
        "Edge",
        chromium.HISTORY,
        (
            "~/microsoft-edge",
            "~/microsoft-edge-beta",
            "~/microsoft-edge-dev",
            ".var/app/com.microsoft.Edge/config/microsoft-edge",
        ),
        (f"{_SUPPORT}/Microsoft Edge",),
    ),
    Browser(
        "vivaldi",
        "Vivaldi",
        chromium.HISTORY,
        ("~/vivaldi", "~/vivaldi-snapshot", ".var/app/com.vivaldi.Vivaldi/config/vivaldi"),
        (f"{_SUPPORT}/Vivaldi",),
    ),
    Browser(
        "opera",
        "Opera",
        chromium.HISTORY,
        ("~/opera", "~/opera-beta", "snap/opera/current/.config/opera", ".var/app/com.opera.Opera/config/opera"),
        (f"{_SUPPORT}/com.operasoftware.Opera",),
    ),
    Browser("arc", "Arc", chromium.HISTORY, (), (f"{_SUPPORT}/Arc/User Data",)),
    Browser(
        "firefox",
        "Firefox",
        firefox.HISTORY,
        (
            "~/mozilla/firefox",
            ".mozilla/firefox",
            "snap/firefox/common/.mozilla/firefox",
            ".var/app/org.mozilla.firefox/.mozilla/firefox",
            ".var/app/org.mozilla.firefox/config/mozilla/firefox",
        ),
        (f"{_SUPPORT}/Firefox",),
    ),
    Browser("safari", "Safari", safari.HISTORY, (), ("Library/Safari",)),
)
BY_ID: Mapping[str, Browser] = {browser.id: browser for browser in BROWSERS}


def find_profiles(home: Path, environment: Mapping[str, str], system: str = sys.platform) -> list[Profile]:
    """Return every profile that has a history. Blocking: some ten system calls, and some for each profile."""
    config = environment.get("XDG_CONFIG_HOME") or ""
    base = Path(config) if config.startswith("/") else home / ".config"
    found: dict[str, Profile] = {}
    for browser in BROWSERS:
        for place in browser.macos if system == "darwin" else browser.linux:
            root = base / place.removeprefix("~/") if place.startswith("~/") else home / place
            for folder in _list_folders(root, browser):
                # The home may lie behind a link, and one browser's folder may be another's: each file counts once.
                path = os.path.realpath(folder) + "/" + browser.history.file
                if path not in found and os.path.isfile(path):  # noqa: PTH113  # which says no where it may not look
                    found[path] = Profile(browser, path)
    return list(found.values())


def _list_folders(root: Path, browser: Browser) -> Iterator[Path]:
    """Yield the folders that may be profiles: the root itself, its own folders, and those of ``profiles.ini``."""
    try:
        with os.scandir(root) as entries:
            inside = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    yield from [root, *inside][:_PROFILES_MAX]
    if browser.history is firefox.HISTORY:
        yield from _list_named(root)


def _list_named(root: Path) -> Iterator[Path]:
    """Yield the folders that ``profiles.ini`` names, anywhere."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        with (root / "profiles.ini").open(encoding="utf-8-sig") as file:
            parser.read_string(file.read(_INI_MAX_BYTES))
    except (OSError, ValueError, configparser.Error):
        return
    for section in parser.sections()[:_PROFILES_MAX]:
        named = parser.get(section, "Path", fallback="")
        if section.startswith("Profile") and named and "\0" not in named:
            yield root / named  # an absolute one stays as it is
