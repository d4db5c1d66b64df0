"""A bug is answered as a problem and logged once, with its trace; the caller learns nothing else."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aico.api.answer_headers import SECURITY_HEADERS, put_headers
from aico.api.errors import EXTRA_HEADERS
from aico.api.refusals import refuse
from aico.core.errors import ObserverError

_BEGINNINGS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_log = logging.getLogger(__name__)


class BugsAsProblems:
    """The outermost middleware. A bug in the middle of an answer is left to the server, which logs and breaks off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        has_begun = scope["type"] not in {"http", "websocket"}

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] in _BEGINNINGS
            await send(message)

        async def decorated(message: Message) -> None:
            if message["type"] in _BEGINNINGS:
                extra = scope.get(EXTRA_HEADERS, SECURITY_HEADERS)
                put_headers(message, {"Cache-Control": "no-store", **extra})
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if has_begun:
                raise
            # Quoted: a decoded path may hold line breaks, and with them lines that look like ours.
            where = quote(scope["path"])
            _log.exception("bug while answering %s %s", scope.get("method", "a socket"), where, exc_info=error)
            await refuse(ObserverError(), scope, receive, decorated)
