"""Pages for people at a dead end: sign-in, a link that is void, an unknown address or name, and all else refused.

Each is whole in itself: it loads nothing, because the page's own files need the token, too. It follows the system's
theme and the browser's language.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Collection, Mapping
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from aico.api.access import LOGIN_PATH, route_of
from aico.core.errors import HostRefused, ObserverError, RouteNotFound, TokenRequired

_FOLDER = Path(__file__).parents[1] / "web" / "dead_ends"


class _Kit(NamedTuple):
    """The parts that all such pages share."""

    style: str
    words: Mapping[str, Mapping[str, str]]
    """By language and name. Names between backticks are to be typed."""
    headers: Mapping[str, str]


@cache
def _kit() -> _Kit:
    """Return it, read once: few services ever need it."""
    style = (_FOLDER / "style.css").read_text(encoding="utf-8")
    words = json.loads((_FOLDER / "words.json").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'self'"
    headers = {
        "Content-Security-Policy": policy,  # the sender adds which pages may frame it
        # A browser that may tell nobody where it comes from calls its own form's origin "null".
        "Referrer-Policy": "same-origin",
        "Vary": "Accept, Accept-Language, Sec-Fetch-Dest",
    }
    return _Kit(style, words, headers)


class Shown(Enum):
    """The proof that a person has shown to sign in."""

    NOTHING = auto()
    LINK = auto()
    """One that is void."""
    TOKEN = auto()
    """Another than ours."""


def wants_page(scope: Scope) -> bool:
    """Return whether a person waits for the answer, and no program."""
    return scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")


def make_page(error: ObserverError, status: int, scope: Scope, shown: Shown = Shown.NOTHING) -> Response:
    """Return the page of ``error``, with ``status``; ``shown`` is what was not good enough to sign in."""
    kit, headers = _kit(), Headers(scope=scope)
    language = _language_of(headers.get("accept-language", ""), kit.words)
    words = kit.words[language]
    name = _name_of(error, shown)
    title, why = words[name], words[f"why_{name}"]
    # Only the browser knows the path before our own addresses, a proxy's prefix say.
    home = "../" * (route_of(scope).count("/") - 1) or "./"
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{_marked(why)}</p>"]
    if isinstance(error, TokenRequired) and error.is_set:
        if shown is Shown.TOKEN:
            parts.append(f'<p role="alert"><b>{html.escape(words["wrong"])}</b></p>')
        # In a frame, the focus is the page's around it.
        is_alone = headers.get("sec-fetch-dest") == "document"
        parts.append(_form(f"{home}{LOGIN_PATH[1:]}", words, is_focused=is_alone))
    elif not isinstance(error, TokenRequired | HostRefused):
        parts.append(f'<p><a href="{home}">{html.escape(words["home"])}</a></p>')
    parts.append(f'<p class="soft"><code>{error.code}</code> · {status}</p>')
    page = (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)} · AI Cost Observer</title>"
        f'<link rel="icon" href="data:,"><style>{kit.style}</style></head>'
        f'<body><main><p class="soft">AI Cost Observer</p>{"".join(parts)}</main></body></html>\n'
    )
    return Response(page, status, kit.headers, "text/html; charset=utf-8")


def _name_of(error: ObserverError, shown: Shown) -> str:
    match error:
        case TokenRequired(is_set=True):
            return "void" if shown is Shown.LINK else "sign_in"
        case TokenRequired():
            return "closed"
        case RouteNotFound():
            return "nothing"
        case HostRefused():
            return "name"
        case _:
            return "refused"


def _form(action: str, words: Mapping[str, str], *, is_focused: bool) -> str:
    field, button, focus = (
        html.escape(words["field"]),
        html.escape(words["sign_in"]),
        " autofocus" if is_focused else "",
    )
    return (
        f'<form method="post" action="{action}"><label for="token">{field}</label>'
        f'<input id="token" name="token" type="password" autocomplete="current-password" required{focus}>'
        f"<button>{button}</button></form>"
    )


def _marked(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def _language_of(accepted: str, words: Collection[str]) -> str:
    """Return the first of our languages that the browser asks for, in its order; English if none is."""
    asked = (part.partition(";")[0].strip()[:2].lower() for part in accepted.split(","))
    return next((language for language in asked if language in words), "en")
