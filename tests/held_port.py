"""Keeps a port of this machine from others: a port that is merely free now is another program's a moment later."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a port of the loopback on which nobody listens until a server does that says ``SO_REUSEADDR``.

    Nobody else is given the port until the block ends, for it is bound; nobody is heard at it, for nothing listens.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
