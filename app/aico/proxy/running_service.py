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

    async def import_ledger(self) -> dict[str, object]:
        """Ask for an import and return its receipt. Raises ServiceRefusal, ServiceUnreachable."""
        return await self._call("POST", "/api/cline/import")

    async def get_status(self) -> dict[str, object]:
        """Return the status. Raises ServiceRefusal, ServiceUnreachable."""
        return await self._call("GET", "/api/cline/status")

    async def issue_link(self) -> str:
        """Return a fresh one-time link for a browser. Raises ServiceRefusal, ServiceUnreachable."""
        return f"{self._url}{(await self._call('POST', '/login')).get('path', '')}"

    async def _call(self, method: str, path: str) -> dict[str, object]:
        # No proxy of the environment: the service listens on this machine.
        async with httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT, trust_env=False) as client:
            try:
                response = await client.request(method, path, headers=self._headers)
                content: object = response.json()
            except (httpx.HTTPError, ValueError) as error:
                raise ServiceUnreachable(self._url) from error
        if not isinstance(content, dict):
            raise ServiceUnreachable(self._url)
        if response.is_error:
            raise ServiceRefusal(*(str(content.get(key, "")) for key in ("code", "detail", "hint")))
        return content
