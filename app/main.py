"""The composition root: makes the application from its settings. Nothing else wires, and importing it does nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from app import __version__
from app.api import health_routes, ledger_routes, socket, usage_routes
from app.api.errors import install_error_handlers
from app.api.head import HeadAsGet
from app.api.security import AccessRules, LoginLinks, SecurityMiddleware
from app.core.clock import now_ms
from app.core.instance_lock import InstanceLock
from app.core.settings import Settings
from app.services.service import ObserverService

WEB = Path(__file__).parent / "web"
_COMPRESSED_FROM = 1_000
"""Bytes from which on an asset is sent compressed."""


def create_app(
    settings: Settings, *, lock: InstanceLock | None = None, links: LoginLinks | None = None, demo: bool = False
) -> FastAPI:
    """Return the application for ``settings``, whose port is the one it will really be served on.

    ``lock`` is the database's lock if the caller holds it already; otherwise the application takes it at start and
    gives it back at the end, and its start raises InstanceRunning when another process has it.
    """
    service = ObserverService(settings, __version__, now_ms, demo=demo)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        own = None if lock is not None else InstanceLock(settings.database_path).acquire()
        try:
            async with service.run():
                yield
        finally:
            if own is not None:
                own.release()

    app = FastAPI(
        title="AI Cost Observer",
        version=__version__,
        description="What AI coding tools cost, live, from their local ledgers. Numbers only, no conversations.",
        docs_url=None,  # the interactive pages would load from a foreign origin
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    install_error_handlers(app)
    for router in (ledger_routes.router, usage_routes.router, health_routes.router, socket.router):
        app.include_router(router)

    @app.get("/", include_in_schema=False)
    async def read_page() -> FileResponse:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/assets", GZipMiddleware(StaticFiles(directory=WEB), minimum_size=_COMPRESSED_FROM), name="assets")
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityMiddleware, rules=AccessRules.of(settings), links=links or LoginLinks())
    return app
