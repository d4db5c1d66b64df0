"""Talks to the service that already runs on this machine, on behalf of ``aico``."""

from __future__ import annotations

import httpx

from aico.core.errors import ServiceRefusal, ServiceUnreachable

_TIMEOUT = httpx.Timeout(10.0, connect=2.0)


class RunningService:
    """The HTTP interface of the process that holds the lock."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def import_all(self, source: str | None) -> list[dict[str, object]]:
        """Ask for an import, of all sources or one; return a receipt by source. Raises like :meth:`get_status`."""
        answer = await self._call("POST", "/api/import", {} if source is None else {"source": source})
        receipts = answer.get("receipts")
        return [each for each in receipts if isinstance(each, dict)] if isinstance(receipts, list) else []

    async def list_sources(self) -> list[dict[str, object]]:
        """Return how every source is. Raises like :meth:`get_status`."""
        answer = await self._call("GET", "/api/sources")
        sources = answer.get("sources")
        return [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []

    async def switch_source(self, source: str, change: dict[str, object]) -> None:
        """Switch a source or some of its origins. Raises like :meth:`get_status`."""
        await self._call("PUT", f"/api/sources/{source}", change)

    async def get_status(self) -> dict[str, object]:
        """Return the status. Raises ServiceRefusal, ServiceUnreachable."""
        return await self._call("GET", "/api/cline/status")

    async def issue_link(self) -> str:
        """Return a fresh one-time link for a browser. Raises ServiceRefusal, ServiceUnreachable."""
        return f"{self._url}{(await self._call('POST', '/login')).get('path', '')}"

    async def _call(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
        # No proxy of the environment: the service listens on this machine.
        async with httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT, trust_env=False) as client:
            try:
                response = await client.request(method, path, headers=self._headers, json=body)
                content: object = response.json()
            except (httpx.HTTPError, ValueError) as error:
                raise ServiceUnreachable(self._url) from error
        if not isinstance(content, dict):
            raise ServiceUnreachable(self._url)
        if response.is_error:
            raise ServiceRefusal(*(str(content.get(key, "")) for key in ("code", "detail", "hint")))
        return content
