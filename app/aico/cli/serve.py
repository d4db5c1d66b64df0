"""``aico serve``: lock, listen, say where, and run until told to stop. The only place that knows uvicorn."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.server import Server, ServerState

from aico.api.access import LOGIN_PATH
from aico.api.login import LoginLinks
from aico.cli import EXIT_OK, already_running
from aico.cli.bounded_http import BoundedHttp
from aico.cli.bounded_socket import BoundedSocket
from aico.cli.box import PLAIN, ROUND, draw_box
from aico.cli.connection_limits import BACKLOG, BoundedConfig, ConnectionLimits
from aico.cli.hardening import prepare_process
from aico.cli.log import configure_logging
from aico.cli.places import describe_others, describe_places
from aico.cli.settings import load
from aico.cli.streams import can_show, say
from aico.core.address import url_of
from aico.core.allocator import keep_little
from aico.core.command_name import command_name
from aico.core.errors import InstanceRunning, PortTaken, ServiceRefusal, ServiceUnreachable, SettingsError, SourceError
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.features.files.feed import Look
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from aico.main import create_app
from aico.services.intake import IntakeKey
from aico.services.service import ObserverService
from aico.services.source_choices import SourceChoices

if TYPE_CHECKING:
    from fastapi import FastAPI  # its home is api and main; here it is a name only

_log = logging.getLogger(__name__)
_ANNOUNCED_S = 5.0
"""How long a second instance waits for the first one's address."""
_LOOK_AGAIN_S = 0.02
_SEEN_S = 5.0
"""How long the first looks at all places are waited for."""
_STALLED_MS = 30_000
"""How long the operating system lets a peer owe us an acknowledgement."""
_UNREAD_BYTES = 256 * 1024
"""Bytes that the operating system keeps for a peer that does not read; by itself it takes megabytes."""


class _ServerState(ServerState):
    """The state that uvicorn's connections share; the date of answers is made when one is asked for."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._config = config
        self._made_s = 0
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every answer."""
        now_s = int(time.time())
        if now_s != self._made_s:
            date = [(b"date", formatdate(now_s, usegmt=True).encode())] if self._config.date_header else []
            self._made_s, self._headers = now_s, date + self._config.encoded_headers
        return self._headers

    @default_headers.setter
    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Let uvicorn begin with none."""


class _Server(Server):
    """Leaves signals to us (uvicorn raises them again after its end, which would skip ours), and rests until its end.

    uvicorn looks ten times a second whether it shall end. For months, that is a fifth of the cost of a service at rest.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = _ServerState(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Stop soon."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Return when it is to end."""
        await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. A second instance says where the first one is and leaves."""
    settings = load(options).settings
    configure_logging(settings)
    lock = InstanceLock(settings.database_path)
    try:
        _take(lock)
    except InstanceRunning as error:
        return _say_where(error, settings)
    try:
        return run_server(settings, lock, open_browser=bool(options.open))
    finally:
        lock.release()


def _say_where(error: InstanceRunning, settings: Settings) -> int:
    """Say where the first instance is and, where it asks for its token, how a browser gets in."""
    code = already_running(error)
    if settings.token is not None and error.url is not None:
        from aico.proxy.running_service import RunningService  # with HTTPX, which a server does not need

        try:
            path = asyncio.run(RunningService(error.url, settings.token.get_secret_value()).issue_sign_in())
        except (ServiceRefusal, ServiceUnreachable) as refused:
            say(str(refused))
        else:
            say(f"Sign in, once and within 10 minutes: {settings.public_url or error.url}{path}")
    return code


def _take(lock: InstanceLock) -> None:
    """Take the lock. Raises InstanceRunning, with the address of the instance that has it, if that ever states it.

    Between taking the lock and listening an instance has no address, and the file may hold that of an instance that
    was killed. An instance that starts at that very moment waits for the address, or for the lock.
    """
    deadline = time.monotonic() + _ANNOUNCED_S
    while True:
        try:
            lock.acquire()
        except InstanceRunning as error:
            said = error.url is not None and _is_alive(error.pid)
            if said or time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def _is_alive(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def run_server(
    settings: Settings,
    lock: InstanceLock,
    *,
    open_browser: bool,
    demo: Callable[[], Coroutine[None, None, None]] | None = None,
    sources: Sequence[Source] = SOURCES,
) -> int:
    """Serve on the settings' address while the lock is held; ``demo`` runs beside until the end.

    ``sources`` are the tools that can be read. Raises PortTaken, SettingsError, and the errors of the database's start.
    """
    prepare_process()
    keep_little()
    listener = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    url = url_of(settings)
    lock.announce(url)
    links = LoginLinks()
    public = settings.public_url or url
    page = f"{public}{LOGIN_PATH}?key={links.issue()}" if settings.token else public
    try:
        app = create_app(settings, lock=lock, links=links, demo=demo is not None, sources=sources)
    except SettingsError:
        listener.close()
        raise
    config = make_config(app, ConnectionLimits.of(settings.max_sockets))

    async def run() -> None:
        server = _Server(config)

        def stop() -> None:
            server.end()
            app.state.service.ingest.begin_close()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        async with app.router.lifespan_context(app), _beside(demo):
            title, frame = "AI Cost Observer" + (" · DEMO" if demo else ""), ROUND
            if not can_show(title + "".join(ROUND)):
                title, frame = title.replace("·", "-"), PLAIN
            service: ObserverService = app.state.service
            choices = service.sources.choices
            # There may be thousands of logs, at which the watchers look now; whatever they do not see is counted.
            seen = {} if demo else await service.sources.find_seen(_SEEN_S)
            rows = await asyncio.to_thread(_rows, settings, page, choices, seen, demo=bool(demo))
            say(*draw_box(title, rows, frame))
            with _address_to_open(public, page) as address:
                if open_browser:
                    import webbrowser

                    await asyncio.to_thread(webbrowser.open, address)
                await server.serve(sockets=[listener])

    asyncio.run(run())
    _log.info("stopped")
    return EXIT_OK


def make_config(app: FastAPI, limits: ConnectionLimits) -> uvicorn.Config:
    """Return how ``app`` is served."""
    return BoundedConfig(app, limits, BoundedHttp, BoundedSocket)


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
    """Yield the address that the browser is started with: never a key, because other users can read command lines."""
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
    # Named, because asyncio sends at once (TCP_NODELAY) only where a socket says that it is TCP. Otherwise the body of
    # every answer waits for the other side to acknowledge its head, and that takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        setting = "port" if error.errno == errno.EACCES else "host"
        raise SettingsError(setting, f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return listener


def _rows(
    settings: Settings,
    page: str,
    choices: SourceChoices,
    seen: Mapping[IntakeKey, Look | SourceError],
    *,
    demo: bool,
) -> list[tuple[str, str]]:
    made_up = [("Usage", "of four tools, made up, and growing before your eyes")]
    rows = [
        ("Dashboard", page),
        *(made_up if demo else [*describe_places(choices, settings, seen), *describe_others(choices)]),
        ("Database", str(settings.database_path)),
        ("Stop", "Ctrl-C"),
    ]
    return rows if demo else [*rows, ("To try it", f"{command_name()} demo, with made-up usage")]
