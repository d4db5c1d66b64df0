"""The rules for callers: the names that we answer to, origins of web pages, the token. No I/O; the clock is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from aico.api.forwarded import is_from_elsewhere, is_loopback, is_port
from aico.api.login import equal, is_proof, list_cookies
from aico.core.clock import now_ms
from aico.core.errors import CallerRefused, HostRefused, OriginRefused, TokenRequired
from aico.core.settings import Settings

LOGIN_PATH = "/login"
REPORT_PATH = "/api/activity/heartbeats"
EXTENSION_ORIGIN = "chrome-extension://alajkobibhogincaeaoepoempfoahkkl"
"""The browser extension's: its id follows from the key in ``extension/manifest.json``."""
_OPEN_PATHS = {"/healthz", LOGIN_PATH}
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_SAME_SITE = {None, "same-origin", "none"}
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  # no name of a machine
_LOOPBACK_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::(?P<port>.*))?")
"""In small letters. No DNS server decides where these names lead, so no foreign page can take one."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The names we answer to besides the loopback ones, and the origins that may call, from the settings."""

    hosts: frozenset[str]
    """In small letters, with the port where one belongs to it."""
    listed_origins: frozenset[str]
    token: str | None
    now_ms: Callable[[], int] = now_ms
    public_origin: str | None = None
    """The address at which a proxy shows the page, as an origin: one of ours."""
    prefix: str = ""
    """The path of that address, without a slash at its end."""

    @classmethod
    def of(cls, settings: Settings, now_ms: Callable[[], int] = now_ms) -> AccessRules:
        """Return the rules for ``settings``, whose port is the one really listened on.

        The address that the operator chose to listen on is a name of ours, too; it is no name of a foreign machine.
        """
        own = [] if settings.host in _EVERYWHERE else [f"[{settings.host}]" if ":" in settings.host else settings.host]
        listed = [_authority(host) for host in settings.allowed_hosts]
        names = [*map(_authority, own), *listed]
        hosts = {f"{name}:{settings.port}" for name in names} | set(listed)
        if settings.port == 80:
            hosts |= set(names)
        public = None if settings.public_url is None else urlsplit(settings.public_url)
        if public is not None:
            hosts.add(public.netloc.lower())
        token = settings.token.get_secret_value() if settings.token else None
        return cls(
            hosts=frozenset(hosts),
            listed_origins=frozenset(origin.rstrip("/").lower() for origin in settings.allowed_origins),
            token=token,
            now_ms=now_ms,
            public_origin=None if public is None else f"{public.scheme}://{public.netloc}".lower(),
            prefix="" if public is None else public.path,
        )

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise HostRefused, OriginRefused, TokenRequired or CallerRefused if it applies, in this order.

        Reports of the browser extension are judged by their origin alone, and by their own token behind this.
        """
        host = self._check_host(headers)
        if scope["type"] == "http" and scope["method"] == "POST" and route_of(scope) == REPORT_PATH:
            # The one exception: the extension reports, from this machine, and nobody else does, listed or not. It shows
            # the token of its pairing, which its route asks for; never ours, so that no browser holds that.
            if headers.getlist("origin") != [EXTENSION_ORIGIN] or not self._may_report(scope, headers):
                raise OriginRefused
            return
        is_safe = scope["type"] == "http" and scope["method"] in _SAFE_METHODS
        # A listed page may ask for a reading, as it always could; switches and names are ours and the user's.
        is_shared = scope["type"] == "websocket" or scope["method"] == "POST"
        if not is_safe:
            self._check_origin(headers, host, is_shared=is_shared)
        if self.token is None:
            if not _is_local(scope, headers):
                raise TokenRequired(is_set=False)
        elif not self._is_open(scope):
            self._check_token(self.token, headers)
        if not (is_safe or is_shared or _is_page(headers) or _is_local(scope, headers)):
            raise CallerRefused

    def shows_token(self, headers: Headers) -> bool:
        """Return whether the token itself is shown. A cookie is not enough to get another: it would never run out."""
        return self.token is not None and _is_bearer(self.token, headers)

    def is_listed(self, origin: str | None) -> bool:
        """Return whether a page of ``origin`` may read our answers."""
        return origin is not None and origin.lower() in self.listed_origins

    def _may_report(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a report comes from this machine; into a container it comes from the host's bridge."""
        return _is_local(scope, headers) or (self.token is not None and not is_from_elsewhere(headers))

    def _is_open(self, scope: Scope) -> bool:
        """Return whether a request needs no token: a preflight, whether the process is up, a sign-in."""
        if scope["type"] != "http":
            return False
        if scope["method"] == "POST":
            return route_of(scope) == LOGIN_PATH
        return scope["method"] == "OPTIONS" or (scope["method"] in _SAFE_METHODS and route_of(scope) in _OPEN_PATHS)

    def _check_host(self, headers: Headers) -> str:
        """Return the Host of a request in small letters. Raises HostRefused unless it is one name of ours."""
        given = headers.getlist("host")
        if len(given) != 1:
            raise HostRefused("is given more than once" if given else "is missing")
        host = given[0].lower()
        if host in self.hosts:
            return host
        loopback = _LOOPBACK_HOST.fullmatch(host)
        if loopback is None:
            raise HostRefused("names neither this machine nor a listed name")
        # Any port: a tunnel has one of its own, and browsers leave out 80 and 443.
        if loopback["port"] is not None and not is_port(loopback["port"]):
            raise HostRefused("has a port that is no number from 1 to 65535")
        return host

    def _check_origin(self, headers: Headers, host: str, *, is_shared: bool) -> None:
        """Raise OriginRefused unless the calling page is of ``host`` itself, or listed and this shared, or none calls.

        Pages of other ports of this machine are not ours: scheme aside, an origin is compared as a whole.
        """
        origins = headers.getlist("origin")
        if not origins:
            if headers.get("sec-fetch-site") not in _SAME_SITE:
                raise OriginRefused(is_own_only=not is_shared)
            return
        ours = {f"http://{host}", f"https://{host}", self.public_origin}
        others = self.listed_origins if is_shared else frozenset()
        if len(origins) != 1 or origins[0].lower() not in {*ours, *others}:
            raise OriginRefused(is_own_only=not is_shared)

    def _check_token(self, token: str, headers: Headers) -> None:
        cookies, now_s = list_cookies(headers.get("cookie", "")), self.now_ms() / 1000
        if not _is_bearer(token, headers) and not any(is_proof(cookie, token, now_s) for cookie in cookies):
            raise TokenRequired


def route_of(scope: Scope) -> str:
    """Return the path of a request below the place where the application is mounted; it begins with a slash."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    inside = path.removeprefix(root)
    return path if inside and not inside.startswith("/") else inside or "/"


def is_form(headers: Headers) -> bool:
    """Return whether a request brings a form of a page."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def _is_page(headers: Headers) -> bool:
    """Return whether a request whose origin has passed comes from a page; a program names neither of both."""
    return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Return whether the caller is on this machine.

    Others come through a proxy or tunnel that calls us from this machine, or through an application that listens
    further.
    """
    if is_from_elsewhere(headers):
        return False
    client: tuple[str, int] | None = scope.get("client")
    if client is None:
        return True  # a socket of this machine's file system
    try:
        address = ip_address(client[0])
    except ValueError:
        return True  # a name that the server gave, no address
    return is_loopback(address)


def find_bearer(headers: Headers) -> str:
    """Return the token that a request shows; empty where it shows none."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def _is_bearer(token: str, headers: Headers) -> bool:
    return equal(find_bearer(headers), token)


def _authority(name: str) -> str:
    return name.lower().rstrip("/")
