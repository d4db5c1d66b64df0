"""The running service, its address, its supervisor, and its neighbour Kimi Proxy."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from aico.cli.doctor.finding import Finding, Verdict, advise, fail, ok, warn
from aico.cli.service import find_supervisor
from aico.core.errors import ServiceRefusal, ServiceUnreachable, SettingsError, StorageError, SupervisorRefused
from aico.core.instance_lock import InstanceLock, LockHolder
from aico.core.settings import Settings
from aico.proxy.kimi_answer import KimiProxyAnswer
from aico.proxy.kimi_proxy import KimiProxyClient
from aico.proxy.running_service import RunningService

_OLD_PACKAGE = re.compile(r"""-m(?:</?string>|["'\s])+app(?=["'<\s])""")
"""How the file of an installed service calls the package of versions before 0.2, in each supervisor's notation."""
_WELL = {"watching", "waiting", "starting"}


def examine_port(settings: Settings) -> Iterator[Finding]:
    """Say whether the service could listen where it should, or does."""
    where = f"port {settings.port} of {settings.host}"
    holder = _find_holder(settings)
    own = _port_of(holder.url) if holder is not None and holder.url else None
    if settings.port == 0:
        yield ok("port", "any free one")
    elif own == settings.port:
        yield ok("port", f"{where} is the service's")
    elif own is not None:
        # It was started with another one: a program at this one disturbs nobody until the next start.
        found = _try_port(settings, where)
        yield found if found.verdict is Verdict.OK else ok("port", f"the service runs at {own}; {found.text}")
    else:
        yield _try_port(settings, where)


def examine_start(_settings: Settings) -> Iterator[Finding]:
    """Say whether the system starts the service by itself."""
    supervisor = find_supervisor(os.environ)
    try:
        state = supervisor.find_state()
    except SupervisorRefused as error:
        yield warn("start", advise(error))
        return
    if not state.installed:
        yield ok("start", "by hand; `aico service install` has the system start it by itself")
    elif _starts_old_package(supervisor.path):
        gone = "calls `python -m app`, the name of this program before version 0.2, which is gone"
        yield fail("start", f"{supervisor.path} {gone}: `aico service install` writes it anew")
    elif state.enabled and state.running:
        yield ok("start", f"by {supervisor.name}, and running")
    else:
        lacking = " and ".join(word for word in ("enabled", "running") if not getattr(state, word))
        yield warn("start", f"{supervisor.name} has it installed, but not {lacking}: `aico service install` again")


async def examine_instance(settings: Settings) -> AsyncIterator[Finding]:
    """Ask the running service how it is."""
    try:
        holder = await asyncio.to_thread(InstanceLock(settings.database_path).find_holder)
    except StorageError as error:
        yield fail("service", advise(error))
        return
    if holder is None:
        yield ok("service", "not running; start it with `aico serve`")
    elif holder.url is None:
        yield ok("service", f"an import runs (process {holder.pid}), or a service that begins")
    else:
        yield await _ask(settings, holder, holder.url)


async def examine_kimi_proxy(settings: Settings) -> AsyncIterator[Finding]:
    """Ask a Kimi Proxy how it is, if one is named."""
    if settings.kimi_proxy_url is None:
        yield ok("kimi proxy", "none named")
        return
    try:
        client = KimiProxyClient(settings.kimi_proxy_url, settings.kimi_proxy_secret)
    except SettingsError as error:
        yield fail("kimi proxy", advise(error))
        return
    try:
        answer = await client.probe()
    finally:
        await client.close()
    if answer is KimiProxyAnswer.WELL:
        yield ok("kimi proxy", f"{settings.kimi_proxy_url} is well")
    elif answer is KimiProxyAnswer.SECRET_REFUSED:
        yield warn("kimi proxy", f"{settings.kimi_proxy_url} refuses our secret: set AICO_KIMI_PROXY_SECRET to its own")
    else:
        said = answer.value.replace("_", " ")
        yield warn("kimi proxy", f"{settings.kimi_proxy_url}: {said}. Start it, or correct AICO_KIMI_PROXY_URL")


def _starts_old_package(path: Path) -> bool:
    """Return whether the file of an installed service calls the package by its old name."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # `find_state` has just read it; the next command tells what is wrong with it
    return _OLD_PACKAGE.search(text) is not None


async def _ask(settings: Settings, holder: LockHolder, url: str) -> Finding:
    token = settings.token.get_secret_value() if settings.token else None
    where = f"runs at {url} (process {holder.pid})"
    try:
        sources = await RunningService(url, token).list_sources()
    except ServiceUnreachable:
        return fail("service", f"{where}, but does not answer. Look at its log, or end that process")
    except ServiceRefusal as error:
        return warn("service", f"{where}, but refused to say how it is: {error}")
    states = [_state_of(source) for source in sources if source.get("enabled")]
    ill = [text for text, is_well in states if not is_well]
    if ill:
        return warn("service", f"{where}, but {', '.join(ill)}. `aico status` says more")
    return ok("service", f"{where}: {', '.join(text for text, _ in states) or 'nothing is on'}")


def _state_of(source: Mapping[str, object]) -> tuple[str, bool]:
    """Return how a source is, in words, and whether that is well."""
    reason = f" ({source['reason']})" if source.get("reason") else ""
    return f"{source.get('id')} {source.get('state')}{reason}", source.get("state") in _WELL


def _port_of(url: str) -> int | None:
    """Return the port of ``url``, which ends with a prefix where the service is mounted below one."""
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _find_holder(settings: Settings) -> LockHolder | None:
    try:
        return InstanceLock(settings.database_path).find_holder()
    except StorageError:
        return None  # told by examine_instance


def _try_port(settings: Settings, where: str) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return fail("port", f"{where} is taken by another program: stop it, or set AICO_PORT")
            setting = (
                "AICO_PORT to one above 1023" if error.errno == errno.EACCES else "AICO_HOST to one of this machine"
            )
            return fail("port", f"{where} cannot be listened on ({error.strerror}): set {setting}")
    return ok("port", f"{where} is free")
