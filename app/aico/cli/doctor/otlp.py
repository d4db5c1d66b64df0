"""The way out to a collector."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from aico.cli.box import describe_age
from aico.cli.doctor.finding import Finding, fail, ok, warn
from aico.core.errors import ServiceRefusal, ServiceUnreachable, StorageError
from aico.core.instance_lock import InstanceLock
from aico.core.otlp_settings import foreign_variables
from aico.core.settings import Settings
from aico.core.telemetry import Outcome, describe_outcome
from aico.proxy.running_service import RunningService

_DO = {
    Outcome.TOKEN_REFUSED: "set otlp.token (AICO_OTLP_TOKEN) to the collector's own",
    Outcome.CERTIFICATE_REFUSED: "name its authority in otlp.ca_file, and the endpoint as its certificate does",
    Outcome.UNKNOWN_NAME: "correct otlp.endpoint",
    Outcome.UNREACHABLE: "start the collector, or correct otlp.endpoint",
    Outcome.NO_ANSWER: "look at the collector, and at the firewall before it",
    Outcome.REFUSED: "look at the collector's log; otlp.protocol has to be one that it speaks",
    Outcome.CA_UNREADABLE: "correct otlp.ca_file: it has to hold certificates, PEM, that this user can read",
    Outcome.NOT_KEPT: "make room, and let this user write into the folder of the database",
    Outcome.STORAGE: "see what is said of the database",
}


async def examine_export(settings: Settings) -> AsyncIterator[Finding]:
    """Say how the way out is, as the running service knows it, and which variables change nothing."""
    endpoint = settings.otlp.find_endpoint()
    foreign = foreign_variables()
    if endpoint is None:
        beside = f"; for other programs: {', '.join(foreign)}" if foreign else ""
        yield ok("collector", f"none named{beside}")
        return
    yield await _ask(settings, endpoint.authority)
    if foreign:
        text = f"only the table [otlp] decides; for other programs: {', '.join(foreign)}"
        yield ok("collector", text, "variables")


async def _ask(settings: Settings, where: str) -> Finding:
    try:
        holder = await asyncio.to_thread(InstanceLock(settings.database_path).find_holder)
    except StorageError:
        holder = None  # told by examine_instance
    if holder is None or holder.url is None:
        return ok("collector", f"{where}, as soon as the service runs")
    token = settings.token.get_secret_value() if settings.token else None
    try:
        export = await RunningService(holder.url, token).get_export()
    except (ServiceUnreachable, ServiceRefusal):
        return warn("collector", f"{where}: the service does not say how it is")
    if export is None:
        return warn(
            "collector", f"{where}: the running service does not know it yet. `aico service install`, or start it anew"
        )
    state, accepted = export.get("state"), export.get("accepted_at")
    last = describe_age(max(0.0, time.time() - accepted / 1000)) if isinstance(accepted, int) else "never"
    if state in {None, Outcome.ACCEPTED.value}:
        return ok("collector", f"{export.get('endpoint')}: last accepted {last}")
    advice = next((text for outcome, text in _DO.items() if outcome.value == state), "see its log")
    return fail("collector", f"{export.get('endpoint')}: {describe_outcome(state)}, last accepted {last}: {advice}")
