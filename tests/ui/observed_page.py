"""A page under observation: whatever the policy, the console or the network complains about fails the test."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request

HANG_MS = 60_000
"""A step that takes longer hangs; a machine with much else to do is slower than the library thinks."""
GONE = r"net::ERR_(CONNECTION_|CONTENT_LENGTH_|EMPTY_RESPONSE|INCOMPLETE|SOCKET_NOT_CONNECTED)|WebSocket connection"
"""Chromium's complaints when a service goes away: which of them depends on the state of the request.

A mismatch of lengths is a service that was killed between the head of an answer and its body.
"""
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@dataclass
class Observed:
    """A page and what went wrong on it."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    _allowed: list[re.Pattern[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen before anything is loaded; give it time."""
        self.page.context.set_default_timeout(HANG_MS)
        self.page.add_init_script(_REPORT_VIOLATIONS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", self._on_error)
        self.page.on("request", self._on_request)

    def allow(self, pattern: str) -> None:
        """Expect complaints that match: a test provokes them."""
        self._allowed.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        """Return every complaint that no test asked for."""
        return [text for text in self.complaints if not any(pattern.search(text) for pattern in self._allowed)]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            # With the path, without the port: its digits could be taken for a status.
            path = urlsplit(message.location["url"]).path
            self.complaints.append(f"console {message.type}: {message.text} {path}")

    def _on_error(self, error: Error) -> None:
        self.complaints.append(f"page error: {error.message}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", self.origin.replace("http", "ws", 1))):
            self.complaints.append(f"foreign request: {request.url}")
