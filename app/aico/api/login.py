"""How a browser shows the token: a link that is good once and for minutes, exchanged for a cookie that runs out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

COOKIE = "aico_token"
_COOKIES_MAX = 8
COOKIE_LIFE_S = 30 * 86_400
"""How long a browser stays signed in."""
LINK_LIFE_S = 600.0
"""How long the printed link can be opened: it stays in terminals, logs and histories for longer than that."""


class LoginLinks:
    """The one-time key by which a browser gets its cookie. ``clock`` counts seconds, from wherever."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key: str | None = None
        self._void_at = 0.0

    def issue(self) -> str:
        """Return a new key; the one before is void."""
        self._key, self._void_at = secrets.token_urlsafe(24), self._clock() + LINK_LIFE_S
        return self._key

    def redeem(self, key: str) -> bool:
        """Return whether ``key`` is the one that was issued last and still good; it is void from then on."""
        known = self._key
        if known is None or not equal(key, known):
            return False
        self._key = None
        return self._clock() < self._void_at


def cookie_value(token: str, void_at_s: int) -> str:
    """Return what the cookie holds: it proves the token until ``void_at_s`` (Unix time), and does not tell it.

    Nothing about it is stored, so it lasts across restarts; another token makes it void.
    """
    proof = hmac.new(token.encode(), f"ai-cost-observer cookie until {void_at_s}".encode(), hashlib.sha256)
    return f"{void_at_s}.{proof.hexdigest()}"


def is_proof(cookie: str, token: str, now_s: float) -> bool:
    """Return whether ``cookie`` proves ``token`` at ``now_s`` (Unix time)."""
    text, _, _ = cookie.partition(".")
    # Only what we write ourselves: bounded, and one spelling per number.
    void_at_s = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    return equal(cookie, cookie_value(token, void_at_s)) and now_s < void_at_s


def list_cookies(header: str) -> list[str]:
    """Return the first few cookies of our name in a ``Cookie`` header.

    Cookies do not know ports: a page on another port of this host may have set one, and a browser sends it first.
    """
    parts = (part.strip().partition("=") for part in header.split(";"))
    return [value for name, _, value in parts if name == COOKIE][:_COOKIES_MAX]


def equal(left: str, right: str) -> bool:
    """Compare secrets in a time that tells nothing of where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())
