"""Finds the Chromium that the tests drive."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, Error, Playwright

VARIABLE = "TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


class BrowserMissing(Exception):
    """There is no browser to test with."""

    def __init__(self) -> None:
        super().__init__(
            f"No Chromium for the browser tests: install the package chromium (Debian: apt install chromium), "
            f"or run `playwright install chromium`, or name one in {VARIABLE}."
        )


def find_browser() -> str | None:
    """Return the browser named by the environment, else one on the PATH, else None: Playwright's own."""
    return os.environ.get(VARIABLE) or next((path for name in NAMES if (path := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """Start the browser that there is.

    Raises BrowserMissing when there is none: a test that needs a browser fails without one, it is never left out.
    """
    try:
        return playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
    except Error as error:
        raise BrowserMissing from error
