"""HTTP/1.1 with peers that may be slow, greedy or mad: nothing of it costs another connection anything."""

from __future__ import annotations

import sys
from asyncio.transports import Transport
from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from aico.api.refusals import answer_bytes
from aico.api.security import BODY_MAX_BYTES, HEAD_MAX_BYTES
from aico.cli.bounded_socket import BoundedSocket
from aico.cli.connection_limits import GRACE_S, Patience, limits_of
from aico.core.errors import HeadTooLarge, RequestMalformed, RequestRefused, RequestTimeout, TooManyConnections

if TYPE_CHECKING:
    import h11  # its home is uvicorn; here it is a name only

_REQUEST_MAX_BYTES = HEAD_MAX_BYTES + 8 * BODY_MAX_BYTES
"""The longest request on the wire: a body in chunks of one byte is six times as long."""


class BoundedHttp(H11Protocol):
    """One connection."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Take a place; if there is none, the one that waits longest gives way, else this connection is refused."""
        limits = limits_of(self.config)
        self._limits = limits
        self._heard_bytes = 0
        self._asking = Patience(self.loop, limits.request_s, self._end_slow_request)
        self._reading = Patience(self.loop, limits.stalled_s, transport.abort)
        self._ending = Patience(self.loop, GRACE_S, transport.abort)
        transport.set_write_buffer_limits(high=0)  # so that pause and resume tell whether anything is unsent
        super().connection_made(transport)
        self._asking.begin()
        if len(self.connections) > limits.connection_count:
            self._make_room(limits.connection_count)

    @property
    def waiting_since(self) -> float | None:
        """Since when it waits for its peer, if it does."""
        return self._asking.since if self._reading.since is None else self._reading.since

    def give_way(self) -> None:
        """End for the sake of another connection."""
        self.connections.discard(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request; its whole must be here in time, and not too long."""
        if not self._heard_bytes:
            self._asking.end()  # from the first byte on
        self._heard_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._asking.end()
        elif self._is_served():
            self._heard_bytes = 0
            self._asking.end()
        elif self._heard_bytes > _REQUEST_MAX_BYTES:
            self.transport.abort()
        else:
            self._asking.begin()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._heard_bytes = 0
        super().on_response_complete()
        if not self.transport.is_closing() and self.transport.get_protocol() is self and not self._is_served():
            self._asking.begin()

    def shutdown(self) -> None:
        """End with the service: at once, or with the answer under way. One that takes longer is broken off.

        uvicorn, which would do that a moment later, would answer 500, as for a bug.
        """
        super().shutdown()
        if not self.transport.is_closing():
            self._ending.begin()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # of uvicorn
        """Refuse bytes that are no HTTP. uvicorn calls it on h11's error, and would itself answer without headers."""
        hint = getattr(sys.exception(), "error_status_hint", HTTPStatus.BAD_REQUEST)
        too_large = hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self._refuse(HeadTooLarge(HEAD_MAX_BYTES) if too_large else RequestMalformed())

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        self._asking.end()
        self._reading.end()
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if isinstance(protocol, BoundedSocket) and protocol.check_handshake():
            sent_along, _ = self.conn.trailing_data  # uvicorn would lose it, and with it the boundaries of frames
            if sent_along:
                protocol.data_received(bytes(sent_along))

    def pause_writing(self) -> None:
        """Count how long the peer leaves something unread."""
        super().pause_writing()
        self._reading.begin()

    def resume_writing(self) -> None:
        """Count no more: the peer has everything."""
        super().resume_writing()
        self._reading.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._asking.end()
        self._reading.end()
        self._ending.end()
        super().connection_lost(exc)

    def _is_served(self) -> bool:
        """Return whether a whole request is here and its answer is not."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _make_room(self, limit: int) -> None:
        waiting = [
            (other.waiting_since, index, other)
            for index, other in enumerate(self.connections)
            if isinstance(other, BoundedHttp | BoundedSocket)
            if other is not self and other.waiting_since is not None
        ]
        if waiting:
            min(waiting)[2].give_way()
        else:
            self.connections.discard(self)
            self._refuse(TooManyConnections(limit))

    def _end_slow_request(self) -> None:
        if self._heard_bytes:
            self._refuse(RequestTimeout(self._limits.request_s))
        else:
            self.transport.abort()  # nothing was asked

    def _refuse(self, error: RequestRefused) -> None:
        """Answer, unless an answer is under way, and hang up."""
        self._asking.end()
        cycle = self.cycle
        if cycle is None or not cycle.response_started or (cycle.response_complete and not cycle.more_body):
            self.transport.write(answer_bytes(error))
        if cycle is not None:
            cycle.disconnected = True  # a reader that still waits for the body learns that it will not come
            cycle.message_event.set()
        self.transport.close()
