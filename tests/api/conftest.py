"""The application in this process, with its watcher running, behind HTTP without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from aico.api.login import LoginLinks
from aico.core.settings import Settings
from aico.main import create_app
from aico.services import sources as sources_module
from aico.services.service import ObserverService
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile

AUTHORITY = "127.0.0.1:8611"


class Api:
    """An application that is served, and what stands behind it."""

    def __init__(
        self,
        settings: Settings,
        client: httpx.AsyncClient,
        service: ObserverService,
        links: LoginLinks,
        ledger: LedgerFile,
    ) -> None:
        self.settings = settings
        self.client = client
        self.service = service
        self.links = links
        self.ledger = ledger

    async def get(self, route: str, **headers: str) -> httpx.Response:
        """GET ``route``."""
        return await self.client.get(route, headers=headers)

    async def import_ledger(self) -> httpx.Response:
        """Ask for an import without a body."""
        return await self.client.post("/api/cline/import")


class Serve(Protocol):
    """Serves the ledger with the settings that it is given."""

    def __call__(self, **values: object) -> AbstractAsyncContextManager[Api]:
        """Return the application in a context."""


@pytest.fixture(autouse=True)
def patient_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers wait for the count of what is off: on a busy machine it takes longer than people are let wait."""
    monkeypatch.setattr(sources_module, "PATIENCE_S", 60.0)


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet."""
    return LedgerFile(tmp_path.resolve() / "cline" / "taskHistory.json")


@pytest.fixture
def serve(ledger: LedgerFile, tmp_path: Path) -> Serve:
    """Serve ``ledger`` with the settings that are given."""

    @asynccontextmanager
    async def served(**values: object) -> AsyncIterator[Api]:
        own = tmp_path / "data"
        if not own.exists():
            # The database of a first start, in a fraction of the time that the migrations take.
            own.mkdir(mode=0o700)
            copy_of_template(own)
        settings = Settings.model_validate(
            {
                "ledger_path": str(ledger.path),
                "database_path": own / "observer.db",
                "tick_s": 0.1,
                "rescan_interval_s": 1,
                "debounce_ms": 10,
                "read_attempts": 2,
                **values,
            }
        )
        links = LoginLinks()
        app = create_app(settings, links=links)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=f"http://{AUTHORITY}") as client,
        ):
            yield Api(settings, client, app.state.service, links, ledger)

    return served


@pytest.fixture
async def api(serve: Serve) -> AsyncIterator[Api]:
    """Serve with default settings, and a ledger that does not exist yet."""
    async with serve() as api:
        yield api
