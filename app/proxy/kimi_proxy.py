"""Asks a Kimi Proxy whether it is well. Off unless its address is configured."""

from __future__ import annotations

import httpx

_TIMEOUT = httpx.Timeout(2.0)
_ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class KimiProxyClient:
    """One connection to one Kimi Proxy."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        # No proxy of the environment, no redirect: this goes to the address that the operator named, or nowhere.
        self._client = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, limits=_ONE_CONNECTION, trust_env=False, transport=transport
        )

    async def is_well(self) -> bool:
        """Return whether ``GET /health`` is answered with success within two seconds. Raises nothing."""
        try:
            async with self._client.stream("GET", "/health") as response:
                return response.is_success
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
