"""Asks a running service whether it is well, for a command that must not wait for a library."""

from __future__ import annotations

import re

_URL = r"http://\[?([^/\]]+?)\]?:([0-9]+)"
_TIMEOUT_S = 1.0
_WELL, _UNWELL = b"200", b"503"


def is_ready(url: str, token: str | None) -> bool | None:
    """Return whether the service at ``url``, one of this machine, is well; None where it does not say. Blocking."""
    place = re.fullmatch(_URL, url)
    if place is None:
        return None
    asked = f"GET /readyz HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\nConnection: close\r\n"
    if token:
        asked += f"Authorization: Bearer {token}\r\n"
    import socket  # noqa: PLC0415  # only where a service runs

    try:
        with socket.create_connection((place[1], int(place[2])), _TIMEOUT_S) as connection:
            connection.sendall(f"{asked}\r\n".encode())
            with connection.makefile("rb") as answer:
                _, status, _ = answer.readline(256).split(maxsplit=2)
    except (OSError, ValueError):
        return None
    return True if status == _WELL else False if status == _UNWELL else None
