"""Talks to the service that already runs on this machine, on behalf of ``aico``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import urlencode

import httpx

from aico.core.errors import ServiceRefusal, ServiceUnreachable

_TIMEOUT_S, _CONNECT_S = 10.0, 2.0
_FORGET_S = 600.0
"""A backup of the whole database is made meanwhile."""
_NAMES_MAX, _NAMES_MAX_BYTES = 200, 48 * 1024
"""Of one request: as many as the service takes, in a body of 64 KiB that holds more than them."""


class RunningService:
    """The HTTP interface of the process that holds the lock."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def import_all(self, source: str | None) -> dict[str, object]:
        """Ask for an import, of all sources or one; return the answer. Raises like :meth:`get_status`."""
        return await self._call("POST", "/api/import", {} if source is None else {"source": source})

    async def list_sources(self) -> list[dict[str, object]]:
        """Return how every source is. Raises like :meth:`get_status`."""
        content = await self._ask("GET", "/api/sources")
        if not isinstance(content, list):
            raise ServiceUnreachable(self._url)
        return _objects(content)

    async def list_limits(self) -> list[dict[str, object]]:
        """Return what is known of plans; nothing of an older service, which knows none. Raises ServiceUnreachable."""
        with suppress(ServiceRefusal):
            return _objects(await self._ask("GET", "/api/limits"))
        return []

    async def list_objects(self, route: str) -> list[dict[str, object]]:
        """Return the objects that ``route`` lists. Raises like :meth:`get_status`."""
        content = await self._ask("GET", route)
        if not isinstance(content, list):
            raise ServiceUnreachable(self._url)
        return _objects(content)

    async def get_object(self, route: str) -> dict[str, object]:
        """Return the object that ``route`` answers. Raises like :meth:`get_status`."""
        return await self._call("GET", route)

    async def change(self, method: str, route: str, body: dict[str, object] | None = None) -> None:
        """Set or remove something. Raises like :meth:`get_status`."""
        await self._ask(method, route, body)

    async def test_webhook(self) -> str:
        """Have the webhook called once; return what came of it. Raises like :meth:`get_status`."""
        return str((await self._call("PUT", "/api/webhook/test")).get("answer", ""))

    async def switch_source(self, source: str, change: dict[str, object]) -> None:
        """Switch a source or some of its origins. Raises like :meth:`get_status`."""
        await self._call("PUT", f"/api/sources/{source}", change)

    async def get_activity(self, from_ms: int, to_ms: int) -> dict[str, object]:
        """Return the use of apps, commands and sites in a period. Raises like :meth:`get_status`."""
        return await self._call("GET", f"/api/activity?from={from_ms}&to={to_ms}")

    async def add_pairing(self) -> dict[str, object]:
        """Return a new pairing for a browser extension. Raises like :meth:`get_status`."""
        return await self._call("PUT", "/api/activity/pairings", {})

    async def list_activity_kinds(self) -> list[dict[str, object]]:
        """Return every kind of activity; nothing of an older service, which knows none. Raises ServiceUnreachable."""
        with suppress(ServiceRefusal):
            return _objects((await self._call("GET", "/api/activity")).get("kinds"))
        return []

    async def switch_activity(self, kind: str, *, is_on: bool) -> None:
        """Switch what is seen of activity. Raises like :meth:`get_status`."""
        await self._call("PUT", f"/api/activity/{kind}", {"enabled": is_on})

    async def forget(self, source: str, sessions: list[str], before_ms: int | None) -> None:
        """Have sessions removed for good: those that are named, or all before a moment. Raises like get_status.

        Many names take several requests. If a later one is refused, the sessions of the earlier ones stay removed;
        asking again goes on with the rest.
        """
        wanted: list[dict[str, object]] = [{"sessions": part} for part in _parts(sessions)] or [{"before": before_ms}]
        for part in wanted:
            await self._call("PUT", "/api/forgotten", {"source": source} | part, patience_s=_FORGET_S)

    async def forget_activity(self, kinds: Sequence[str], from_ms: int, to_ms: int) -> None:
        """Have the use in a period removed for good. Raises like :meth:`get_status`."""
        body: dict[str, object] = {"kinds": list(kinds), "from": from_ms, "to": to_ms}
        await self._call("PUT", "/api/activity/forgotten", body, patience_s=_FORGET_S)

    async def set_label(self, source: str, session: str, label: str | None) -> None:
        """Give a session the user's own name, None to take it away. Raises like :meth:`get_status`."""
        query = urlencode({"source": source, "session_id": session})
        await self._call("PATCH", f"/api/session?{query}", {"label": label})

    async def get_export(self) -> dict[str, object] | None:
        """Return how the way out to a collector is, None where none is set. Raises ServiceUnreachable."""
        with suppress(ServiceRefusal):
            export = (await self._call("GET", "/api/status")).get("otlp")
            return export if isinstance(export, dict) else None
        return None

    async def set_price(self, model: str, body: dict[str, object]) -> None:
        """Set an own price. Raises like :meth:`get_status`."""
        await self._ask("PUT", "/api/prices", body, query={"model": model})

    async def remove_price(self, model: str, day: str | None) -> None:
        """Remove the own price of a name from ``day`` on; None: all of that name. Raises like :meth:`get_status`."""
        await self._ask("DELETE", "/api/prices", query={"model": model, **({} if day is None else {"valid_from": day})})

    async def apply_review(self) -> None:
        """Let the present price list replace older ones. Raises like :meth:`get_status`."""
        await self._ask("PUT", "/api/prices/review", patience_s=_FORGET_S)

    async def set_currency(self, body: dict[str, object]) -> None:
        """Show amounts in another currency. Raises like :meth:`get_status`."""
        await self._ask("PUT", "/api/currency", body)

    async def remove_currency(self) -> None:
        """Show amounts in US dollars. Raises like :meth:`get_status`."""
        await self._ask("DELETE", "/api/currency")

    async def find_pricing(self) -> tuple[int, int] | None:
        """Return how far prices were brought to what is stored; None: to all of it. Raises like :meth:`get_status`."""
        progress = (await self._call("GET", "/api/status")).get("pricing")
        if not isinstance(progress, dict):
            return None
        return int(progress["done"]), int(progress["total"])

    async def get_status(self) -> dict[str, object]:
        """Return the status. Raises ServiceRefusal, ServiceUnreachable."""
        return await self._call("GET", "/api/cline/status")

    async def issue_sign_in(self) -> str:
        """Return the path of a fresh one-time link for a browser. Raises ServiceRefusal, ServiceUnreachable."""
        return str((await self._call("POST", "/login")).get("path", ""))

    async def _call(
        self, method: str, path: str, body: dict[str, object] | None = None, patience_s: float = _TIMEOUT_S
    ) -> dict[str, object]:
        content = await self._ask(method, path, body, patience_s)
        if not isinstance(content, dict):
            raise ServiceUnreachable(self._url)
        return content

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, object] | None = None,
        patience_s: float = _TIMEOUT_S,
        query: dict[str, str] | None = None,
    ) -> object:
        timeout = httpx.Timeout(patience_s, connect=_CONNECT_S)
        # No proxy of the environment: the service listens on this machine.
        async with httpx.AsyncClient(base_url=self._url, timeout=timeout, trust_env=False) as client:
            try:
                response = await client.request(method, path, headers=self._headers, json=body, params=query)
                content: object = None if response.status_code == httpx.codes.NO_CONTENT else response.json()
            except (httpx.HTTPError, ValueError) as error:
                raise ServiceUnreachable(self._url) from error
        if response.is_error:
            if not isinstance(content, dict):
                raise ServiceUnreachable(self._url)
            raise ServiceRefusal(*(str(content.get(key, "")) for key in ("code", "detail", "hint")))
        return content


def _parts(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the names in order, as many at a time as one request holds."""
    part: list[str] = []
    size = 0
    for name in names:
        length = len(json.dumps(name)) + 1  # as ASCII, which no other way of writing it exceeds, and a comma
        if part and (len(part) == _NAMES_MAX or size + length > _NAMES_MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(name)
        size += length
    if part:
        yield part


def _objects(content: object) -> list[dict[str, object]]:
    """Return the objects of a list, and nothing of anything else."""
    return [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
