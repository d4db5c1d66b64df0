"""Calls the webhook: one signed POST to the address that the user named, and to no other."""

from __future__ import annotations

import asyncio
import ssl

import httpx

from aico.proxy.certificates import make_context
from aico.proxy.webhook_answer import WebhookAnswer

PATIENCE_S = 5.0
"""For one try as a whole."""
_LOOPBACK = ("127.0.0.1", "[::1]")


async def call_webhook(url: str, headers: dict[str, str], body: bytes, patience_s: float = PATIENCE_S) -> WebhookAnswer:
    """POST ``body`` once and return what came of it, within ``patience_s``. Raises nothing.

    ``url`` is HTTPS, whose certificate says that the name is the right machine, or HTTP on this machine. No proxy of
    the environment is asked, no redirect followed, and nothing of the answer is read but its status.
    """
    answer = WebhookAnswer.UNREACHABLE
    # Before the time runs: reading the machine's certificates is not the other side's doing.
    context = await asyncio.to_thread(make_context) if url.startswith("https:") else False
    try:
        async with asyncio.timeout(patience_s):
            # Not a client: that follows, asks the environment, and logs each address, which may be a secret.
            async with httpx.AsyncHTTPTransport(verify=context, trust_env=False) as transport:
                for address in _addresses_of(httpx.URL(url)):
                    answer = await _try(transport, address, headers, body)
                    if answer is not WebhookAnswer.UNREACHABLE:
                        break
    except TimeoutError:
        return WebhookAnswer.NO_ANSWER
    except httpx.InvalidURL:
        return WebhookAnswer.UNREACHABLE
    return answer


def _addresses_of(url: httpx.URL) -> list[httpx.URL]:
    """Return where ``url`` is looked for: ``localhost`` is this machine, whatever a name service says."""
    if url.scheme != "http" or url.host != "localhost":
        return [url]
    return [url.copy_with(host=host.strip("[]")) for host in _LOOPBACK]


async def _try(
    transport: httpx.AsyncHTTPTransport, url: httpx.URL, headers: dict[str, str], body: bytes
) -> WebhookAnswer:
    try:
        response = await transport.handle_async_request(httpx.Request("POST", url, headers=headers, content=body))
        status = response.status_code
        await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return WebhookAnswer.UNREACHABLE
    except httpx.TimeoutException:
        return WebhookAnswer.NO_ANSWER
    except (httpx.HTTPError, ssl.SSLError, ValueError):
        return WebhookAnswer.REFUSED
    return WebhookAnswer.TAKEN if httpx.codes.is_success(status) else WebhookAnswer.REFUSED
