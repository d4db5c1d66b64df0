"""Prints where a Chromium for the browser tests is, getting one when there is none.

``TEST_CHROMIUM``, else an installed Chromium or Chrome, else (root on Debian, as in CI) the package ``chromium``,
else Playwright's own download into ``.make``; else one line on the error output that names the command, and exit 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from debian import STATE, can_install, install, run

LOG = STATE / "browser.log"
DOWNLOADS = STATE / "browsers"
VARIABLE = "TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
LONGEST_START_S = 30


def main() -> int:
    """Print the path; return the exit code."""
    named = os.environ.get(VARIABLE)
    if named:
        if not starts(named):
            return fail(f"{VARIABLE} names {named}, which does not start as a browser.")
        print(named)
        return 0
    browser = installed() or downloaded() or from_debian() or from_playwright()
    if browser is None:
        return fail(
            "The browser tests need Chromium: install it (Debian: apt install chromium; macOS: brew install chromium) "
            f"or name one in {VARIABLE}. What was tried is in .make/browser.log."
        )
    print(browser)
    return 0


def fail(line: str) -> int:
    """Say ``line`` on the error output and return 1."""
    print(line, file=sys.stderr)
    return 1


def installed() -> str | None:
    """Return a browser of this machine."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    return next((path for path in (*found, *PLACES) if starts(path)), None)


def starts(path: str) -> bool:
    """Return whether ``path`` can be run; some distributions leave a stub that only says what to install."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=LONGEST_START_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def from_debian() -> str | None:
    """Install Debian's package, as root only."""
    if not can_install():
        return None
    print("Installing Debian's chromium for the browser tests ...", file=sys.stderr)
    return installed() if install(["chromium"], LOG) else None


def from_playwright() -> str | None:
    """Download Playwright's own."""
    print("Downloading Chromium for the browser tests ...", file=sys.stderr)
    environment = os.environ | {"PLAYWRIGHT_BROWSERS_PATH": str(DOWNLOADS)}
    if not run([sys.executable, "-m", "playwright", "install", "chromium"], LOG, environment):
        return None
    return downloaded()


def downloaded() -> str | None:
    """Return Playwright's own, if an earlier run downloaded it."""
    found = [*DOWNLOADS.glob("chromium-*/chrome-linux*/chrome"), *DOWNLOADS.glob("chromium-*/**/MacOS/*")]
    return next((str(path) for path in found if starts(str(path))), None)


if __name__ == "__main__":
    sys.exit(main())
