"""Pages of other origins, each on a loopback port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HostPage:
    """One page, whatever is asked; ``body`` may be changed while it is served."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.body = ""

    @property
    def origin(self) -> str:
        """Its origin by address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin_by_name(self) -> str:
        """Its origin by name: another site, although it is the same server."""
        return f"http://localhost:{self.port}"

    def frame(self, address: str, attributes: str = "") -> None:
        """Put a frame into the page."""
        self.body = f'<iframe src="{address}" width="1200" height="800" {attributes}></iframe>'


@contextmanager
def host_page() -> Iterator[HostPage]:
    """Serve a page until the block ends."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            icon = '<link rel="icon" href="data:,">'
            self.wfile.write(f"<!doctype html><title>Kimi Proxy</title>{icon}{page.body}".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        page = HostPage(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()
