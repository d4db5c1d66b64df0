"""Asks a Kimi Proxy whether it is well. Off unless its address is configured."""

from __future__ import annotations

import asyncio

import httpx
from pydantic import SecretStr

from aico.core.errors import SettingsError
from aico.proxy.kimi_answer import KimiProxyAnswer

PATIENCE_S = 2.0
"""For one probe as a whole, and for each of its steps."""
BODY_MAX_BYTES = 64 * 1024
"""At most this much of an answer is read. A connection can be used again only if its answer was read to the end."""
_PORT_MAX = 65_535
_ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1)


class KimiProxyClient:
    """One connection to one Kimi Proxy. Raises SettingsError for an address that is none."""

    def __init__(
        self,
        url: str,
        secret: SecretStr | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        try:
            if (httpx.URL(url).port or 0) > _PORT_MAX:
                raise SettingsError("kimi_proxy_url", f"has a port beyond {_PORT_MAX}")
            # No proxy of the environment, no redirect: this goes to the address that the operator named, or nowhere.
            self._client = httpx.AsyncClient(
                base_url=url,
                headers={"Authorization": f"Bearer {secret.get_secret_value()}"} if secret else {},
                timeout=httpx.Timeout(patience_s),
                limits=_ONE_CONNECTION,
                follow_redirects=False,
                trust_env=False,
                transport=transport,
            )
        except httpx.InvalidURL:
            raise SettingsError("kimi_proxy_url", "is no address") from None

    async def probe(self) -> KimiProxyAnswer:
        """Ask ``GET /health`` and return what came of it, within the patience. Raises nothing."""
        try:
            # The client's own time-outs begin anew with every byte.
            async with asyncio.timeout(self._patience_s), self._client.stream("GET", "/health") as response:
                await _read(response)
                status = response.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return KimiProxyAnswer.UNREACHABLE
        except (httpx.TimeoutException, TimeoutError):
            return KimiProxyAnswer.NO_ANSWER
        except httpx.HTTPError:
            return KimiProxyAnswer.BAD_ANSWER
        finally:
            self._client.cookies.clear()
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            return KimiProxyAnswer.SECRET_REFUSED
        return KimiProxyAnswer.WELL if httpx.codes.is_success(status) else KimiProxyAnswer.BAD_ANSWER

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


async def _read(response: httpx.Response) -> None:
    """Read the body to its end or its bound, as it comes over the wire: a few bytes must not unpack to gigabytes."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > BODY_MAX_BYTES:
            return
