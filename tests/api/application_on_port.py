"""The application in this process behind the real server, on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aico.cli.connection_limits import ConnectionLimits
from aico.cli.serve import _Server, listen, make_config
from aico.core.settings import Settings
from aico.main import create_app
from aico.services.service import ObserverService
from tests.core.repository_on_file import copy_of_template
from tests.e2e.fake_cline_ledger import LedgerFile


class Live:
    """A served application, and its address."""

    def __init__(self, service: ObserverService, server: _Server, port: int, ledger: LedgerFile) -> None:
        self.service = service
        self.server = server
        self.port = port
        self.authority = f"127.0.0.1:{port}"
        self.socket_url = f"ws://{self.authority}/ws"
        self.ledger = ledger

    @property
    def connection_count(self) -> int:
        """How many connections the server has now."""
        return len(self.server.server_state.connections)


@asynccontextmanager
async def live(ledger: LedgerFile, *, limits: ConnectionLimits | None = None, **values: object) -> AsyncIterator[Live]:
    """Serve ``ledger`` until the block ends, its watcher running; ``limits`` stand in for those of the settings."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings.model_validate(
        {
            "ledger_path": str(ledger.path),
            "database_path": ledger.folder.parent / "data" / "observer.db",
            "port": port,
            "tick_s": 0.1,
            "rescan_interval_s": 1,
            "debounce_ms": 10,
            **values,
        }
    )
    if not settings.database_path.exists():
        # The database of a first start, in a fraction of the time that the migrations take.
        settings.database_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_of_template(settings.database_path.parent).chmod(0o600)
    app = create_app(settings)
    server = _Server(make_config(app, limits or ConnectionLimits.of(settings.max_sockets)))
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Live(app.state.service, server, port, ledger)
        finally:
            server.end()
            await serving
