"""The question of a command that must not wait to a running service."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from aico.proxy.readiness import is_ready


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", None),
        (b"220 mail\r\n", None),
        (b"", None),
    ],
)
def test_status_of_the_answer_decides(answer: bytes, expected: bool | None) -> None:
    """Well, or not; any other answer says neither."""

    def serve() -> bytes:
        connection, _ = listener.accept()
        with connection:
            asked = connection.recv(4096)
            connection.sendall(answer)
            return asked

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        port = listener.getsockname()[1]
        asked = thread.submit(serve)
        assert is_ready(f"http://127.0.0.1:{port}", "a-token") is expected
        head = asked.result().decode()
    assert head.startswith(f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
    assert "Authorization: Bearer a-token\r\n" in head


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "nothing", "http://127.0.0.1:99999"])
def test_nobody_at_the_address_is_no_answer(url: str) -> None:
    """Nor is an address that is none of ours."""
    assert is_ready(url, None) is None
