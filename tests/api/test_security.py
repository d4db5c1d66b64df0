"""The bounds of a request, and the headers of every answer, from any part of the program."""

from __future__ import annotations

import json

import pytest
from starlette.types import Receive, Scope, Send

from aico.api.answer_headers import SECURITY_HEADERS as HEADERS_OF_ALL
from aico.api.bugs import BugsAsProblems
from aico.api.login import LoginLinks
from aico.api.security import BODY_MAX_BYTES, HEAD_MAX_BYTES, SecurityMiddleware
from aico.core import errors
from aico.core.errors import ObserverError
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import AUTHORITY, Api, Serve
from tests.api.guarded_stand_in import TOKEN, guarded, make_rules
from tests.api.raw_asgi_client import handshake, request


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("declared", "sent", "status"),
    [
        ("0", [b""], 200),
        (str(BODY_MAX_BYTES), [b"x" * BODY_MAX_BYTES], 200),
        (str(BODY_MAX_BYTES + 1), [b"x" * (BODY_MAX_BYTES + 1)], 413),
        (str(10**30), [b""], 413),
        ("-1", [b""], 413),
        ("1e3", [b""], 413),
        (None, [b"x" * 1_000] * 65, 200),
        (None, [b"x" * 1_000] * 66, 413),
        (None, [b"x" * (BODY_MAX_BYTES + 1)], 413),
    ],
)
async def test_body_is_bounded_however_it_is_sent(
    method: str, declared: str | None, sent: list[bytes], status: int
) -> None:
    """64 KiB pass and one byte more is 413, by its declared length or, in chunks, as soon as it is too long."""
    length = [("transfer-encoding", "chunked")] if declared is None else [("content-length", declared)]
    answer = await request(guarded(), method, "/", [("host", AUTHORITY), *length], sent)
    assert answer.status == status
    if status == 200:
        assert answer.body == f"served {sum(map(len, sent))}".encode()
    else:
        assert json.loads(answer.body)["code"] == "body_too_large"


async def test_body_that_breaks_off_reaches_no_application() -> None:
    """A caller that hangs up in the middle is nobody's request, and not one with a shorter body."""
    seen: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append((await receive())["type"])

    await request(SecurityMiddleware(app, make_rules(), LoginLinks()), "POST", "/", [("host", AUTHORITY)], [])
    assert seen == []


@pytest.mark.parametrize(
    ("method", "route", "headers", "kind"),
    [
        ("GET", "/", {"host": "evil.example"}, errors.HostRefused),
        ("POST", "/api/cline/import", {"origin": "null"}, errors.OriginRefused),
        ("POST", "/api/cline/import", {"sec-fetch-site": "cross-site"}, errors.OriginRefused),
        ("POST", "/api/cline/import", {"content-length": "65537"}, errors.BodyTooLarge),
        ("GET", "/nothing", {}, errors.RouteNotFound),
        ("PUT", "/healthz", {}, errors.MethodNotAllowed),
        ("GET", "/api/cline/usage?limit=0", {}, errors.RequestInvalid),
    ],
)
async def test_every_refusal_is_a_problem_with_security_headers(
    api: Api, method: str, route: str, headers: dict[str, str], kind: type[ObserverError]
) -> None:
    """Middleware, router and route refuse in the same shape and with the same headers."""
    check_problem(await api.client.request(method, route, headers=headers), kind)


async def test_no_get_changes_anything(api: Api) -> None:
    """Every address that is read leaves revision and position as they were."""
    before = await api.service.writer.get_position()
    for route in api.client._transport.app.openapi()["paths"]:  # type: ignore[attr-defined]  # of the ASGI transport
        await api.get(route)
    assert await api.service.writer.get_position() == before


@pytest.mark.parametrize("size", [HEAD_MAX_BYTES - 200, HEAD_MAX_BYTES + 1])
@pytest.mark.parametrize("where", ["path", "query", "name", "value"])
async def test_head_is_bounded_on_every_transport(size: int, where: str) -> None:
    """Address and headers have one limit together, for requests and handshakes alike."""
    long = "x" * size
    target = {"path": f"/{long}", "query": f"/?{long}"}.get(where, "/")
    extra = {"name": [(long, "")], "value": [("x", long)]}.get(where, [])
    answer = await handshake(guarded(), target, [("host", AUTHORITY), *extra])
    assert answer.status == (101 if size < HEAD_MAX_BYTES else 431)
    answer = await request(guarded(), "GET", target, [("host", AUTHORITY), *extra])
    assert answer.status == (200 if size < HEAD_MAX_BYTES else 431)


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_every_answer_holds_the_security_headers(serve: Serve, token: str | None) -> None:
    """Pages, assets, data, parts, refusals and what was not modified: all of them, by every method."""
    async with serve(token=token) as api:
        assets = [f"/assets{path}" for path in ("", "/", "/app.css", "/js/main.js", "/i18n/fr.json", "/nothing", "/js")]
        routes = ["/", "/login", "/healthz", "/readyz", "/metrics", "/openapi.json", "/nothing", "/ws", *assets]
        routes += [f"/api/cline/{name}" for name in ("import", "status", "usage", "summary", "export", "usage?limit=0")]
        tag = (await api.get("/assets/app.css")).headers.get("etag", "none")
        seen = set()
        for route in routes:
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"):
                for headers in ({}, {"range": "bytes=0-9"}, {"range": "bytes=99999999-"}, {"if-none-match": tag}):
                    answer = await api.client.request(method, route, headers=headers)
                    check_security_headers(answer.headers)
                    assert answer.headers["permissions-policy"] == HEADERS_OF_ALL["Permissions-Policy"]
                    seen.add(answer.status_code)
        assert seen >= ({401, 405} if token else {200, 206, 304, 404, 405, 416, 422})


FORMS = {
    "application/x-www-form-urlencoded": b"path=%2Fetc%2Fpasswd",
    "text/plain": b'{"path": null, "x": "="}',
    "multipart/form-data; boundary=b": b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n/etc\r\n--b--\r\n',
    "application/json": b"{}",
    "": b"",
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(
    "browser",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"origin": "http://evil.example", "referer": f"http://{AUTHORITY}/", "cookie": "aico_token=x"},
    ],
)
async def test_page_of_others_cannot_post_whatever_it_pretends(api: Api, browser: dict[str, str], kind: str) -> None:
    """A form, a beacon or a fetch that needs no preflight is refused, and nothing is imported."""
    before = api.service.hub.revision
    headers = browser | ({"content-type": kind} if kind else {})
    answer = await api.client.post("/api/cline/import", content=FORMS[kind], headers=headers)
    check_problem(answer, errors.OriginRefused)
    assert api.service.hub.revision == before
    assert api.service.ingest.last_receipt is None


async def test_bug_is_logged_in_one_line_whatever_the_path_says(caplog: pytest.LogCaptureFixture) -> None:
    """A path may hold line breaks once it is decoded; what stands behind them must not look like a line of ours."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    answer = await request(BugsAsProblems(app), "GET", "/a\n12:00:00 INFO stopped", ())
    assert answer.status == 500
    assert [record.getMessage() for record in caplog.records] == [
        "bug while answering GET /a%0A12%3A00%3A00%20INFO%20stopped"
    ]
