"""Sends exports to one collector and says what became of each. No export is tried twice: the next one says it all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import grpc
import httpx

from aico.core.otlp_settings import Endpoint, OtlpSettings
from aico.core.telemetry import Outcome
from aico.proxy.certificates import make_context
from aico.proxy.otlp.request import is_taken

PATIENCE_S = 3.0
"""For one export as a whole."""
_METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
_ANSWER_MAX_BYTES = 64 * 1024
_OPTIONS = (
    # The user's proxies are for other things: this goes to the collector that is named, or nowhere.
    ("grpc.enable_http_proxy", 0),
    # A service configuration in the name's TXT records would say how we send.
    ("grpc.service_config_disable_resolution", 1),
    # Of its own accord, a new attempt to connect may come two minutes after the collector is back.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", _ANSWER_MAX_BYTES),
)
_REFUSED_TOKEN = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
_CERTIFICATE_WORDS = ("certificate", "ssl", "tls", "peer name", "handshake")
_NAME_WORDS = ("dns", "name resolution", "resolve", "not known", "nodename")


class Sender(Protocol):
    """A connection to a collector."""

    async def send(self, request: bytes) -> Outcome:
        """Send one export and return what became of it, within the patience. Raises nothing."""
        ...

    async def close(self) -> None:
        """Close the connection, at once."""
        ...


class Trust(NamedTuple):
    """Which certificates a collector may have."""

    authority: str | None
    """Those of the file of the settings, PEM; None: those that the system trusts."""
    context: ssl.SSLContext | None
    """The same for HTTP; None where it needs none."""


def read_trust(settings: OtlpSettings) -> Trust:
    """Return what the settings trust. Raises OSError for a file that cannot be read, or holds no certificates.

    Blocks for files, of the system, too: call it in a thread.
    """
    endpoint = settings.find_endpoint()
    authority = None
    try:
        if settings.ca_file is not None:
            authority = settings.ca_file.read_text(encoding="ascii")
            make_context(authority)
        needs_context = endpoint is not None and endpoint.is_tls and settings.protocol != "grpc"
        return Trust(authority, make_context(authority) if needs_context else None)
    except (UnicodeDecodeError, ssl.SSLError, ValueError) as error:
        raise OSError("holds no certificates") from error


def make_sender(settings: OtlpSettings, trust: Trust, patience_s: float = PATIENCE_S) -> Sender:
    """Return the sender to the endpoint of ``settings``. In the event loop, to which a channel belongs."""
    endpoint = settings.find_endpoint()
    if endpoint is None:
        raise ValueError("no endpoint")
    headers = {"authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
    if settings.protocol == "grpc":
        return GrpcSender(endpoint, headers, trust.authority, patience_s)
    return HttpSender(endpoint, headers, trust.context, patience_s)


class GrpcSender:
    """OTLP over gRPC."""

    def __init__(
        self, endpoint: Endpoint, headers: Mapping[str, str], authority: str | None, patience_s: float
    ) -> None:
        self._patience_s = patience_s
        self._metadata = tuple(headers.items())
        options = (*_OPTIONS, ("grpc.primary_user_agent", "ai-cost-observer"))
        if endpoint.is_tls:
            credentials = grpc.ssl_channel_credentials(None if authority is None else authority.encode())
            self._channel = grpc.aio.secure_channel(f"dns:{endpoint.authority}", credentials, options)
        else:
            self._channel = grpc.aio.insecure_channel(f"dns:{endpoint.authority}", options)
        self._export = self._channel.unary_unary(_METHOD)

    async def send(self, request: bytes) -> Outcome:
        """See :class:`Sender`."""
        try:
            # Its own deadline is not held while it looks for a name.
            async with asyncio.timeout(self._patience_s + 0.5):
                answer = await self._export(request, timeout=self._patience_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return _meaning(error.code(), str(error.details()))
        except TimeoutError:
            return Outcome.NO_ANSWER
        except grpc.aio.UsageError:
            return Outcome.UNREACHABLE  # the channel is closed
        return _judge(cast("bytes", answer))

    async def close(self) -> None:
        """See :class:`Sender`."""
        await self._channel.close(grace=None)


class HttpSender:
    """OTLP over HTTP, in protobuf."""

    def __init__(
        self, endpoint: Endpoint, headers: Mapping[str, str], context: ssl.SSLContext | None, patience_s: float
    ) -> None:
        self._patience_s = patience_s
        self._url = endpoint.url
        self._client = httpx.AsyncClient(
            headers={**headers, "content-type": "application/x-protobuf", "user-agent": "ai-cost-observer"},
            timeout=httpx.Timeout(patience_s),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            follow_redirects=False,
            trust_env=False,
            verify=False if context is None else context,
        )

    async def send(self, request: bytes) -> Outcome:
        """See :class:`Sender`."""
        try:
            async with (
                asyncio.timeout(self._patience_s),
                self._client.stream("POST", self._url, content=request) as response,
            ):
                answer = b""
                async for chunk in response.aiter_raw():
                    answer += chunk
                    if len(answer) > _ANSWER_MAX_BYTES:
                        return Outcome.REFUSED
                status = response.status_code
        except httpx.ConnectError as error:
            return _of_words(str(error))
        except (httpx.TimeoutException, TimeoutError):
            return Outcome.NO_ANSWER
        except httpx.HTTPError:
            return Outcome.UNREACHABLE
        finally:
            self._client.cookies.clear()
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            return Outcome.TOKEN_REFUSED
        return _judge(answer) if httpx.codes.is_success(status) else Outcome.REFUSED

    async def close(self) -> None:
        """See :class:`Sender`."""
        await self._client.aclose()


def _judge(answer: bytes) -> Outcome:
    try:
        return Outcome.ACCEPTED if is_taken(answer) else Outcome.REFUSED
    except ValueError:
        return Outcome.REFUSED


def _meaning(code: object, details: str) -> Outcome:
    if code in _REFUSED_TOKEN:
        return Outcome.TOKEN_REFUSED
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Outcome.NO_ANSWER
    return _of_words(details) if code is grpc.StatusCode.UNAVAILABLE else Outcome.REFUSED


def _of_words(details: str) -> Outcome:
    """Return why there is no connection, as far as the library's words tell; they are told to nobody."""
    text = details.lower()
    if any(word in text for word in _CERTIFICATE_WORDS):
        return Outcome.CERTIFICATE_REFUSED
    return Outcome.UNKNOWN_NAME if any(word in text for word in _NAME_WORDS) else Outcome.UNREACHABLE
