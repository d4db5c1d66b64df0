"""What a route answers before the test alters it."""

from __future__ import annotations

from playwright.sync_api import APIResponse, Route

_TRIES_MORE = 3


def fetch(route: Route) -> APIResponse:
    """Return the service's answer.

    Playwright asks over a connection that it keeps. The service ends one that rests for some seconds, perhaps just when
    it is used again, which a browser would not let anybody see either.
    """
    return route.fetch(max_retries=_TRIES_MORE)
