"""``aico serve``: lock, listen, say where, and run until told to stop. The only place that knows uvicorn."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from app.api.security import LOGIN_PATH, LoginLinks
from app.cli import EXIT_OK, already_running, command_name, flags_of, say
from app.cli.box import describe_age, describe_size, draw_box
from app.cli.log import configure_logging
from app.core.errors import InstanceRunning, LedgerError, PortTaken, SettingsError
from app.core.instance_lock import InstanceLock
from app.core.settings import Settings, load_settings
from app.features.ledger.path_guard import LedgerGuard
from app.main import create_app

if TYPE_CHECKING:
    from fastapi import FastAPI  # its home is api and main; here it is a name only

_STALLED_MS = 30_000
"""How long the operating system lets a peer owe us an acknowledgement: uvicorn never gives such a socket up."""
_FRAME_MAX_BYTES = 4_096
_GRACE_S = 1
_DESCRIPTORS = 65_536
"""File descriptors that are asked for; idle connections must not take those that the ledger needs."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # named in order to be replaced


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again after its end, which would skip ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. A second instance says where the first one is and leaves."""
    settings = load_settings(flags_of(options)).settings
    configure_logging(settings)
    lock = InstanceLock(settings.database_path)
    try:
        lock.acquire()
    except InstanceRunning as error:
        return already_running(error)
    try:
        return run_server(settings, lock, open_browser=bool(options.open))
    finally:
        lock.release()


def prepare_process() -> None:
    """Let nobody else read what this process leaves, and give it all the descriptors that it may have."""
    os.umask(0o077)
    # A core dump would hold what is being read.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, _soft), hard))


def run_server(
    settings: Settings,
    lock: InstanceLock,
    *,
    open_browser: bool,
    demo: Callable[[], Coroutine[None, None, None]] | None = None,
) -> int:
    """Serve on the settings' address while the lock is held; ``demo`` runs beside until the end.

    Raises PortTaken and what the start of the database raises.
    """
    prepare_process()
    listener = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    url = url_of(settings)
    lock.announce(url)
    links = LoginLinks()
    page = f"{url}{LOGIN_PATH}?key={links.issue()}" if settings.token else url
    app = create_app(settings, lock=lock, links=links, demo=demo is not None)
    config = make_config(app)

    async def run() -> None:
        server = _Server(config)

        def stop() -> None:
            server.should_exit = True
            app.state.service.imports.begin_close()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        async with app.router.lifespan_context(app), _beside(demo):
            say(*draw_box("AI Cost Observer" + (" · DEMO" if demo else ""), _rows(settings, page, demo=bool(demo))))
            with _address_to_open(url, page) as address:
                if open_browser:
                    await asyncio.to_thread(webbrowser.open, address)
                await server.serve(sockets=[listener])

    asyncio.run(run())
    sys.stderr.write("stopped\n")
    return EXIT_OK


def make_config(app: FastAPI) -> uvicorn.Config:
    """Return how ``app`` is served."""
    return uvicorn.Config(
        app,
        lifespan="off",  # entered by run_server, so that its errors reach the user and its end comes after the server's
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=_FRAME_MAX_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=_GRACE_S,
    )


@asynccontextmanager
async def _beside(work: Callable[[], Coroutine[None, None, None]] | None) -> AsyncIterator[None]:
    """Run ``work`` until the block ends."""
    if work is None:
        yield
        return
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextmanager
def _address_to_open(url: str, page: str) -> Iterator[str]:
    """Yield what the browser is started with: never a key, because other users can read command lines."""
    if page == url:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="aico-open-") as folder:
        redirect = Path(folder) / "dashboard.html"
        redirect.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={page}">', encoding="utf-8")
        yield redirect.as_uri()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises PortTaken, and SettingsError for an address that cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        setting = "port" if error.errno == errno.EACCES else "host"
        raise SettingsError(setting, f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return listener


def url_of(settings: Settings) -> str:
    """Return the address of the page; of a service that listens everywhere, the one on this machine."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _rows(settings: Settings, page: str, *, demo: bool) -> list[tuple[str, str]]:
    rows = [("Dashboard", page)]
    if demo:
        rows.append(("Ledger", "made up, and growing before your eyes"))
    else:
        rows.append(("Ledger", f"{settings.ledger_path} (chosen by {settings.ledger_chosen_by})"))
        rows.append(("", _describe_ledger(settings)))
    rows += [("Database", str(settings.database_path)), ("Stop", "Ctrl-C")]
    return rows if demo else [*rows, ("No Cline?", f"{command_name()} demo")]


def _describe_ledger(settings: Settings) -> str:
    try:
        status = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes).stat()
    except LedgerError as error:
        waiting = error.code == "ledger_not_found"
        return "not there yet; the service waits for it and begins by itself" if waiting else f"{error}"
    age = describe_age(max(0.0, time.time() - status.st_mtime))
    return f"found, {describe_size(status.st_size)}, last written {age}"
