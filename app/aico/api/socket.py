"""The socket: a commit reaches every page at once, and a page that lags delays nobody."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from aico.api.deps import Service
from aico.api.refusals import refuse
from aico.core.errors import TooManyConnections
from aico.services.hub import Subscription

router = APIRouter()
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
_CLOSE_PATIENCE_S = 2.0
_log = logging.getLogger(__name__)


@router.websocket("/ws")
async def serve_socket(websocket: WebSocket, service: Service) -> None:
    """Send ``hello``, the messages missed since ``?epoch=E&since=R``, and then every message until one side ends it."""
    query = websocket.query_params
    epoch, since = query.get("epoch"), query.get("since")
    try:
        with service.hub.subscribe(epoch, _revision(since)) as subscription:
            await websocket.accept()
            await _converse(websocket, subscription)
    except TooManyConnections as error:
        await refuse(error, websocket.scope, websocket.receive, websocket.send)


def _revision(text: str | None) -> int | None:
    """Return the revision that ``text`` names; anything else than a number is a revision that never was."""
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def _converse(websocket: WebSocket, subscription: Subscription) -> None:
    """Pump messages out and drain what comes in: a handler that only sends never learns that its peer has gone."""
    tasks = {
        asyncio.create_task(_pump(websocket, subscription)),
        asyncio.create_task(_drain(websocket)),
        asyncio.create_task(subscription.lagged.wait()),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if websocket.client_state is WebSocketState.CONNECTED and websocket.application_state is WebSocketState.CONNECTED:
        await _close(websocket, TRY_AGAIN_LATER if subscription.lagged.is_set() else GOING_AWAY)


async def _pump(websocket: WebSocket, subscription: Subscription) -> None:
    while (text := await subscription.get()) is not None:
        await websocket.send_text(text)


async def _drain(websocket: WebSocket) -> None:
    """Read and drop what the peer says; it has nothing to say."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(websocket: WebSocket, code: int) -> None:
    """Say goodbye, if the peer still listens; one that does not is left to the operating system's time-out."""
    try:
        async with asyncio.timeout(_CLOSE_PATIENCE_S):
            await websocket.close(code)
    except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
        _log.debug("a socket was not closed in good order: %s", type(error).__name__)
