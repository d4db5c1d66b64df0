"""The composition root: makes the application from its settings. Nothing else wires, and importing it does nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI
from starlette.types import Lifespan

from aico import __version__
from aico.api.access import LOGIN_PATH, AccessRules
from aico.api.bugs import BugsAsProblems
from aico.api.errors import install_error_handlers
from aico.api.head import HeadAsGet
from aico.api.login import LoginLinks
from aico.api.openapi import install_openapi
from aico.api.page_routes import install_page
from aico.api.routes import ROUTERS
from aico.api.security import SecurityMiddleware
from aico.core.address import url_of
from aico.core.clock import now_ms
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from aico.services.service import ObserverService


def create_app(
    settings: Settings,
    *,
    lock: InstanceLock | None = None,
    links: LoginLinks | None = None,
    demo: bool = False,
    sources: Sequence[Source] = SOURCES,
) -> FastAPI:
    """Return the application for ``settings``, whose port is the one it will really be served on.

    ``lock`` is the database's lock if the caller holds it already; otherwise the application takes it at start and
    gives it back at the end, and its start raises InstanceRunning when another process has it.
    """
    service = ObserverService(settings, __version__, now_ms, sources=sources, demo=demo)

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
        # Else a variable of the user's for other programs would send our requests to their collector.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        redirect_slashes=False,  # an address with a slash too many is another one, and a redirect would lose the body
    )
    app.state.service = service
    install_error_handlers(app)
    for router in ROUTERS:
        # FastAPI's include_router would make each of them a second time, at the first request.
        app.router.routes.extend(router.routes)
    install_page(app)
    install_openapi(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityMiddleware, rules=AccessRules.of(settings), links=links or LoginLinks())
    app.add_middleware(BugsAsProblems)
    return app


@dataclass(frozen=True, slots=True)
class MountableService:
    """The whole service as a part of another application: routes, socket, page, lifespan and rules for callers."""

    app: FastAPI
    """Knows its own paths only: the other application's answers are none of its business."""
    settings: Settings
    lock: InstanceLock
    links: LoginLinks

    def mount(self, host: FastAPI, prefix: str) -> None:
        """Serve below ``prefix`` of ``host``, for as long as ``host`` runs.

        It starts before the lifespan of ``host`` and ends after it. InstanceRunning and StorageError of its start are
        the start's of ``host``.
        """
        host.mount(prefix, self.app)
        # Starlette runs the lifespan of the outermost application only.
        hosts_own = host.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[object]:
            async with AsyncExitStack() as stack:
                self.lock.acquire(url_of(self.settings) + prefix)
                stack.callback(self.lock.release)
                await stack.enter_async_context(self.app.router.lifespan_context(self.app))
                yield await stack.enter_async_context(hosts_own(app))

        host.router.lifespan_context = cast("Lifespan[FastAPI]", lifespan)

    def issue_sign_in(self) -> str:
        """Return the path below the prefix by which one browser, once, gets its cookie when a ``token`` is set."""
        return f"{LOGIN_PATH}?key={self.links.issue()}"


def create_service(settings: Settings, sources: Sequence[Source] = SOURCES) -> MountableService:
    """Return the service for an application that serves on the host and port of ``settings``. Nothing is opened.

    ``sources`` are the tools that can be read.
    """
    lock, links = InstanceLock(settings.database_path), LoginLinks()
    return MountableService(create_app(settings, lock=lock, links=links, sources=sources), settings, lock, links)
