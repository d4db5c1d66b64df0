"""The connection of a page that listens, with a page that may not read, not answer, or talk without end."""

from __future__ import annotations

from asyncio.transports import BaseTransport, Transport
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import HeaderLineTooLong, RequestLineTooLong, TooManyHeaders
from websockets.frames import Frame
from websockets.http11 import MAX_LINE_LENGTH, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from aico.api.refusals import answer_bytes, answer_parts
from aico.cli.connection_limits import Patience, limits_of
from aico.core.errors import HeadTooLarge, RequestMalformed

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class BoundedSocket(WebSocketsSansIOProtocol):
    """A page that listens. It has nothing to say: its messages are counted against the limit of frames and dropped."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over from HTTP."""
        transport = cast("Transport", transport)
        self._reading = Patience(self.loop, limits_of(self.config).stalled_s, transport.abort)
        self.conn = _Handshakes(max_size=self.config.ws_max_size, logger=self.logger)
        super().connection_made(transport)
        if transport.get_write_buffer_size():
            self.pause_writing()

    @property
    def waiting_since(self) -> float | None:
        """Since when it leaves something unread, if it does."""
        return self._reading.since

    def shutdown(self) -> None:
        """End with the service. Of a peer that says goodbye at the same moment uvicorn would make an error."""
        if self.handshake_complete and not self.close_sent and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()

    def give_way(self) -> None:
        """End for the sake of another connection."""
        self.connections.discard(self)
        self.transport.abort()

    def check_handshake(self) -> bool:
        """Return whether it goes on; refuse a request that is no handshake: uvicorn would silently keep it for ever."""
        if self.handshake_initiated:
            return not self.transport.is_closing()
        error = self.conn.handshake_exc
        too_large = isinstance(error, RequestLineTooLong | HeaderLineTooLong | TooManyHeaders)
        self.transport.write(answer_bytes(HeadTooLarge(MAX_LINE_LENGTH) if too_large else RequestMalformed()))
        self.transport.close()
        return False

    async def send(self, message: ASGISendEvent) -> None:
        """Send it. A refusal with a body answers the handshake, which uvicorn complains of as if it did not."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    def handle_text(self, event: Frame) -> None:
        """Drop it."""

    def handle_bytes(self, event: Frame) -> None:
        """Drop it."""

    def handle_cont(self, event: Frame) -> None:
        """Drop it: uvicorn would collect empty pieces without end."""

    def handle_parser_exception(self) -> None:
        """Tell the peer what was wrong, unless the handshake is not even answered."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def pause_writing(self) -> None:
        """Count likewise, and listen no more: answers to the pings of a peer that does not read would pile up."""
        super().pause_writing()
        self._reading.begin()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Count no more: the peer has everything."""
        super().resume_writing()
        self._reading.end()
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._reading.end()
        self.connections.add(self)  # uvicorn takes it out, which give_way may have done before
        super().connection_lost(exc)


class _Handshakes(ServerProtocol):
    """Refuses a handshake in the shape of every other refusal."""

    def reject(self, status: HTTPStatus | int, text: str) -> Response:  # noqa: ARG002  # of the library
        """Return the problem document instead of a plain sentence."""
        code, headers, body = answer_parts(RequestMalformed())
        return Response(code.value, code.phrase, Headers(headers), body)
