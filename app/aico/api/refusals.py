"""How a caller is refused: as an answer, instead of a handshake, or as bytes where no application was asked yet."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aico.api.answer_headers import SECURITY_HEADERS
from aico.api.errors import problem
from aico.core.errors import ObserverError, TokenRequired

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>AI Cost Observer</title>
<h1>AI Cost Observer</h1>
<p>{en}</p>
<p lang="fr">{fr}</p>
</html>
"""
_SIGN_IN_PAGE = _PAGE.format(
    en="""This service asks for its token. Open the link that <code>aico serve</code> printed when it started.
It is good once, for 10 minutes; the same command prints a new one.""",
    fr="""Ce service demande son jeton. Ouvrez le lien que <code>aico serve</code> a affiché à son démarrage.
Il sert une fois, pendant 10 minutes ; la même commande en affiche un nouveau.""",
)
_NO_TOKEN_PAGE = _PAGE.format(
    en="""Without a token, this service answers callers on its own machine only. This request came from another one,
or through a proxy or a tunnel. Set <code>AICO_TOKEN</code> and start the service again: it prints a sign-in link.""",
    fr="""Sans jeton, ce service répond seulement aux appels de sa propre machine. Cette requête est venue par un proxy
ou un tunnel, ou d&rsquo;une autre machine. Réglez <code>AICO_TOKEN</code> et relancez le service : il affiche un lien
pour entrer.""",
)


async def refuse(error: ObserverError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem document of ``error``, also instead of a socket's handshake."""
    response = problem(error)
    if scope["type"] == "http":
        if isinstance(error, TokenRequired) and "text/html" in Headers(scope=scope).get("accept", ""):
            # A person looks, not a program.
            page = _SIGN_IN_PAGE if error.is_set else _NO_TOKEN_PAGE
            response = Response(page, response.status_code, media_type="text/html; charset=utf-8")
        await response(scope, receive, send)
        return
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    start = {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})


def answer_parts(error: ObserverError) -> tuple[HTTPStatus, list[tuple[str, str]], bytes]:
    """Return status, headers and body of the last answer of a connection, for where no application was asked."""
    response = problem(error)
    response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-store", "Connection": "close"})
    return HTTPStatus(response.status_code), response.headers.items(), bytes(response.body)


def answer_bytes(error: ObserverError) -> bytes:
    """Return the same as HTTP/1.1."""
    status, headers, body = answer_parts(error)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode("latin-1") + body
