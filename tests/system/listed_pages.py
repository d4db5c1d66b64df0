"""Pages under the names of listed and other sites, each of which leads to the next. The truth is noted."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit


class Stay(NamedTuple):
    """A page, and how long it is looked at."""

    host: str
    seconds: float


class ListedPages:
    """A server for a walk through pages."""

    def __init__(self, walk: list[Stay], secret: str) -> None:
        self.walk = walk
        self.secret = secret
        self.seen_at: dict[int, float] = {}
        """When each page was first asked for, by its place in the walk; its end is one further."""
        self.shown_at: dict[int, float] = {}
        """When each page said that it is shown, so that the one before no longer is, by its place."""
        self.began_at = time.monotonic()
        """When the browser was told to go to the first page."""
        self.has_ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def address(self, number: int) -> str:
        """Return the address of a page of the walk; the one behind it is the end."""
        host = self.walk[number].host if number < len(self.walk) else "end.example"
        return f"http://{host}:{self.port}/{self.secret}/{number}?q={self.secret}"

    def truth(self) -> dict[str, tuple[float, float]]:
        """Return the seconds of each host.

        At least from when the page said that it is shown until the next one was asked for; at most from when it was
        asked for until the next one said that it is shown. On a busy machine a page takes a while to come.
        """
        found: dict[str, tuple[float, float]] = {}
        asked_at = self.began_at
        for number, stay in enumerate(self.walk):
            low, high = found.get(stay.host, (0.0, 0.0))
            at_least = self.seen_at[number + 1] - self.shown_at[number]
            found[stay.host] = (low + at_least, high + self.shown_at[number + 1] - asked_at)
            asked_at = self.seen_at[number] + stay.seconds
        return found

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                last = urlsplit(self.path).path.rpartition("/")[2]
                if last.startswith("shown"):
                    pages.note_shown(int(last.removeprefix("shown")))
                self.send_response(200 if last.isdecimal() else 404)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                if last.isdecimal():
                    self.wfile.write(pages.page(int(last)).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def page(self, number: int) -> str:
        """Return a page, and note that it is looked at."""
        self.seen_at.setdefault(number, time.monotonic())
        title = f"<!doctype html><title>{self.secret}</title>{self.secret}<script>fetch('shown{number}');"
        if number >= len(self.walk):
            return f"{title}</script>"
        wait = int(self.walk[number].seconds * 1000)
        return f"{title}setTimeout(() => location = '{self.address(number + 1)}', {wait})</script>"

    def note_shown(self, number: int) -> None:
        """Note that a page is shown."""
        self.shown_at.setdefault(number, time.monotonic())
        if number >= len(self.walk):
            self.has_ended.set()
