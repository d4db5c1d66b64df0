"""The checks that every answer must pass."""

from __future__ import annotations

import httpx

from aico.api.answer_headers import CONTENT_SECURITY_POLICY
from aico.api.errors import status_of_kind
from aico.core.errors import ObserverError

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def check_security_headers(headers: httpx.Headers) -> None:
    """Fail unless an answer keeps itself to our own page."""
    for name, value in SECURITY_HEADERS.items():
        assert headers.get(name) == value, name
    assert "cache-control" in headers


def check_page_headers(headers: httpx.Headers) -> None:
    """Fail unless a page for people at a dead end loads nothing, and sends its form to us alone."""
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert policy.endswith("form-action 'self'; frame-ancestors 'none'")
    check_security_headers(
        httpx.Headers({**headers, "content-security-policy": CONTENT_SECURITY_POLICY, "referrer-policy": "no-referrer"})
    )


def check_problem(response: httpx.Response, kind: type[ObserverError], *, retry: bool = False) -> str:
    """Fail unless ``response`` is the problem document of ``kind``; return its detail."""
    status = status_of_kind(kind)
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "hint"}
    assert (problem["status"], problem["code"], problem["hint"]) == (status, kind.code, kind.hint)
    assert problem["type"] == f"urn:ai-cost-observer:error:{kind.code}"
    assert ("retry-after" in response.headers) == retry
    if retry:
        assert int(response.headers["retry-after"]) >= 1
    check_security_headers(response.headers)
    return str(problem["detail"])
