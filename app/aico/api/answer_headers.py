"""The headers that keep our page and answers to ourselves: the rights of a browser, and of pages that frame them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message

_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data:; "
    "connect-src 'self'; "
    "font-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors {ancestors}; "
    "require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
VSCODE = "vscode-webview:"
"""Each view of an extension of VS Code has an origin of its own with this scheme."""
_WINDOW_OF_VSCODE = "vscode-file:"
"""Around each of them is the window itself."""
_CSP = "Content-Security-Policy"
_OF_PAGES = (_CSP, "Referrer-Policy")
CONTENT_SECURITY_POLICY = _POLICY.format(ancestors="'none'")
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer, of every part that makes one."""


def put_headers(message: Message, extra: Mapping[str, str]) -> None:
    """Put ``extra`` on the beginning of an answer; a page for people at a dead end has a policy of its own."""
    headers = MutableHeaders(scope=message)
    own = {name: headers[name] for name in _OF_PAGES if name in headers}
    if policy := own.get(_CSP):
        _, ancestors, rest = extra[_CSP].partition("frame-ancestors ")
        own[_CSP] = f"{policy}; {ancestors}{rest.partition(';')[0]}"
    headers.update({**extra, **own})


def framed_headers(origins: frozenset[str]) -> Mapping[str, str]:
    """Return the headers of the page that ``origins`` may put into a frame; without any, nobody may."""
    if not origins:
        return SECURITY_HEADERS
    listed = [*origins, *([_WINDOW_OF_VSCODE] if VSCODE in origins else [])]
    policy = {_CSP: _POLICY.format(ancestors=" ".join(sorted(listed)))}
    # X-Frame-Options knows no list.
    return {name: value for name, value in (*SECURITY_HEADERS.items(), *policy.items()) if name != "X-Frame-Options"}


def sharing_headers(origin: str) -> Mapping[str, str]:
    """Return the headers by which a page of ``origin`` may read our answer."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Expose-Headers": "Retry-After",
        "Access-Control-Max-Age": "600",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }
