"""Health, the description of the interface, the page, and addresses where there is nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from fastapi.openapi.models import OpenAPI

from aico.api.page_routes import WEB
from aico.core import errors
from aico.core.events import WatcherState, WatcherStateChanged
from aico.services import kimi_monitor
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import PRIVATE, entry


async def test_healthz_answers_while_the_process_is_up(api: Api) -> None:
    """Liveness asks nothing of file or database."""
    response = await api.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "reasons": []})
    check_security_headers(response.headers)


@pytest.mark.parametrize(
    ("state", "reason", "reasons"),
    [
        (WatcherState.WATCHING, None, []),
        (WatcherState.WAITING, "directory_missing", []),
        (WatcherState.STARTING, None, ["starting"]),
        (WatcherState.DEGRADED, "watch_unavailable", ["watch_unavailable"]),
        (WatcherState.DEGRADED, "ledger_unreadable", ["ledger_unreadable"]),
        (WatcherState.FAILED, "internal_error", ["internal_error"]),
    ],
)
async def test_readyz_says_why_the_watcher_is_not_well(
    api: Api, state: WatcherState, reason: str | None, reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher in trouble is 503 with its reason; one that waits for Cline is well."""
    watcher = api.service.sources.find_watcher("cline", "ledger")
    assert watcher is not None
    monkeypatch.setattr(watcher, "state", WatcherStateChanged(state, 1, reason))
    monkeypatch.setattr(watcher, "_set_state", lambda *_: None)
    response = await api.get("/readyz")
    assert response.status_code == (503 if reasons else 200)
    assert response.json() == {"status": "unavailable" if reasons else "ok", "reasons": reasons}


async def test_readyz_says_that_the_database_fails(api: Api) -> None:
    """A database that does not answer is a reason, whatever the watcher is."""
    with closing(sqlite3.connect(api.settings.database_path)) as other:
        other.execute("DROP TABLE database_state")
    response = await api.get("/readyz")
    assert response.status_code == 503
    assert "storage_error" in response.json()["reasons"]


def list_references(part: object) -> Iterator[str]:
    """Yield what the parts of a document refer to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from list_references(each)
    elif isinstance(part, list):
        for each in part:
            yield from list_references(each)


async def test_openapi_refers_to_nothing_that_is_not_there(api: Api) -> None:
    """A program that makes a client of it follows every reference within the whole document."""
    document = (await api.get("/openapi.json")).json()
    references = set(list_references(document))
    assert "#/components/schemas/ProblemOut" in references
    for reference in references:
        part: object = document
        for name in reference.removeprefix("#/").split("/"):
            assert isinstance(part, dict), reference
            assert name in part, reference
            part = part[name]


async def test_openapi_is_valid_and_lists_the_routes(api: Api) -> None:
    """The description is OpenAPI 3.1, names every route, and documents problems instead of the framework's errors."""
    response = await api.get("/openapi.json")
    document = response.json()
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/api/summary",
        "/api/overview",
        "/api/heatmap",
        "/api/sessions",
        "/api/session",
        "/api/export",
        "/api/forgotten",
        "/api/limits",
        "/api/budgets",
        "/api/budgets/{name}",
        "/api/plans",
        "/api/plans/{source}",
        "/api/webhook",
        "/api/webhook/test",
        "/api/sources",
        "/api/sources/{source}",
        "/api/currency",
        "/api/projects",
        "/api/prices",
        "/api/prices/compared",
        "/api/prices/review",
        "/api/prices/test",
        "/api/activity",
        "/api/activity/forgotten",
        "/api/activity/heartbeats",
        "/api/activity/pairings",
        "/api/activity/pairings/{pairing}",
        "/api/activity/{kind}",
        "/api/import",
        "/api/status",
        "/api/cline/import",
        "/api/cline/usage",
        "/api/cline/summary",
        "/api/cline/status",
        "/api/cline/export",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert "HTTPValidationError" not in response.text
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


@pytest.mark.parametrize(
    "route", ["/docs", "/redoc", "/nothing", "/api", "/api/cline", "/api/cline/usage/1", "/login", "/ws"]
)
async def test_address_without_anything_is_404(api: Api, route: str) -> None:
    """The answer is a problem document, too; the interactive pages of the framework are among these addresses."""
    check_problem(await api.get(route), errors.RouteNotFound)


@pytest.mark.parametrize(
    "route",
    [
        "/",
        "/healthz",
        "/api/cline/summary",
        "/metrics",
        "/openapi.json",
        "/assets/index.html",
        "/api/cline/status",
        "/api/cline/usage",
    ],
)
async def test_head_is_answered_like_get_without_its_body(api: Api, route: str) -> None:
    """A request for the headers alone gets those of GET."""
    head, get = await api.client.head(route), await api.get(route)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    check_security_headers(head.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", ["/", "/healthz", "/metrics", "/api/cline/usage", "/assets/index.html"])
async def test_reading_address_takes_no_other_method(api: Api, route: str, method: str) -> None:
    """An address to read is not written to; the answer is a problem that names the methods there are."""
    response = await api.client.request(method, route)
    check_problem(response, errors.MethodNotAllowed)


async def test_page_and_its_files_are_served_with_security_headers(api: Api) -> None:
    """The dashboard comes from the package; every file of it is served as what it is."""
    page = await api.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    check_security_headers(page.headers)
    for path, kind in list_assets():
        response = await api.get(f"/assets/{path}")
        assert response.status_code == 200, path
        assert response.headers["content-type"].startswith(kind), path
        check_security_headers(response.headers)


def list_assets() -> list[tuple[str, str]]:
    """Return path and media type of one file of each kind."""
    kinds = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".html": "text/html"}
    found = {path.suffix: path.relative_to(WEB) for path in sorted(WEB.rglob("*")) if path.suffix in kinds}
    assert set(found) == set(kinds)
    return [(str(path), kinds[suffix]) for suffix, path in found.items()]


@pytest.mark.parametrize(
    "route",
    [
        *("/assets/../main.py", "/assets/..%2fmain.py", "/assets/%2e%2e/main.py", "/assets/%2e%2e%2fmain.py"),
        *("/assets/..%5cmain.py", "/assets//etc/passwd", "/assets/%2fetc/passwd", "/assets/js/../../main.py"),
        *("/assets/....//main.py", "/assets/%00", "/assets/index.html%00", "/assets/", "/assets/js"),
        *("/assets/%c0%ae%c0%ae/main.py", "/assets/~root", "/../main.py", "//etc/passwd", "/assets/" + "a" * 5_000),
    ],
)
async def test_no_path_leads_out_of_the_assets(api: Api, route: str) -> None:
    """In any spelling, only files of the page are served; everything else is 404."""
    url = httpx.URL(f"http://{api.client.base_url.netloc.decode()}").copy_with(raw_path=route.encode())
    response = await api.client.send(httpx.Request("GET", url))
    assert "passwd" not in response.text
    assert "create_app" not in response.text
    check_problem(response, errors.RouteNotFound)


async def test_answers_hold_nothing_of_the_ledger(api: Api) -> None:
    """No route and no error repeats a text of the file, also not of its broken entries."""
    api.ledger.write(
        entry("1"), {"id": PRIVATE, "ts": PRIVATE, "tokensIn": PRIVATE}, PRIVATE, {**entry("x"), "modelId": 7}
    )
    await api.import_ledger()
    routes = ("status", "usage", "summary", "export?format=json")
    texts = [(await api.get(f"/api/cline/{route}")).text for route in routes]
    texts += [(await api.import_ledger()).text, (await api.get("/metrics")).text, (await api.get("/readyz")).text]
    assert not [text for text in texts if PRIVATE in text]


async def test_requests_of_one_moment_share_one_import(api: Api) -> None:
    """Twenty clicks are answered by one reading or two, each with a receipt."""
    api.ledger.write(*(entry(str(number)) for number in range(50)))
    responses = await asyncio.gather(*(api.import_ledger() for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert (await api.get("/api/cline/status")).json()["revision"] == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_status_shows_the_health_of_the_kimi_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A configured proxy is asked for its health only, and what it is shows in the status; if need be, a probe late."""
    monkeypatch.setattr(kimi_monitor, "BACKOFF_FIRST_S", 0.1)
    state = "up" if status == 200 else "down"
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy, serve(kimi_proxy_url=url) as api, asyncio.timeout(60):
        while (shown := (await api.get("/api/cline/status")).json()["kimi_proxy"])["state"] != state:
            assert (shown["since"] is None) == (shown["state"] == "unknown")
    assert set(asked) == {"GET /health HTTP/1.1"}
