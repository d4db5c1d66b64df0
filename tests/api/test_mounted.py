"""The service as a part of another application, below a prefix, as the documents say it is done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from aico.api.page_routes import WEB
from aico.cli.serve import _Server, listen
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.main import create_service
from tests.api.answer_checks import SECURITY_HEADERS, check_security_headers
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.fake_page_socket import listening
from tests.house.document_tables import documented_python
from tests.quick_variants import first_is_quick

PREFIX = "/observer"
TOKEN = "a-token-of-the-operator"  # noqa: S105  # of a test
EVIL = "http://evil.example"


class Host:
    """Another application, with a lifespan, routes and a socket of its own, on a real server."""

    def __init__(self, client: httpx.AsyncClient, authority: str, events: list[str]) -> None:
        self.client = client
        self.authority = authority
        self.events = events


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile, **variables: str) -> AsyncIterator[Host]:
    """Run the application with the documented lines in it, on the port that the settings name."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    fast = {"TICK_S": "0.1", "RESCAN_INTERVAL_S": "1", "DEBOUNCE_MS": "10", "PORT": str(port)}
    places = {"LEDGER_PATH": str(ledger.path), "DATABASE_PATH": str(database_of(ledger))}
    for name, value in {**fast, **places, **variables}.items():
        monkeypatch.setenv(f"AICO_{name}", value)
    events: list[str] = []
    application = make_application(events, database_of(ledger))
    exec(compile(documented_python("docs/embedding.md"), "embedding.md", "exec"), {"application": application})  # noqa: S102  # ours
    server = _Server(uvicorn.Config(application, lifespan="on", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            yield Host(client, f"127.0.0.1:{port}", events)
    finally:
        server.end()
        await serving
        listener.close()


def database_of(ledger: LedgerFile) -> Path:
    """Return where the database of a test lies."""
    return ledger.folder.parent / "data" / "observer.db"


def make_application(events: list[str], database: Path) -> FastAPI:
    """Return the other application; ``events`` says what its lifespan saw."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
        events.append(f"begins, database held: {InstanceLock(database).find_holder() is not None}")
        yield {"word": "of its own"}
        events.append(f"ends, database held: {InstanceLock(database).find_holder() is not None}")

    application = FastAPI(lifespan=lifespan)

    @application.get("/health")
    async def read_health(request: Request) -> dict[str, str]:
        return {"word": request.state.word}

    @application.post("/chat")
    async def chat() -> dict[str, str]:
        return {"chat": "ok"}

    @application.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("its own")
        await websocket.close()

    return application


async def test_documented_lines_show_a_live_row_below_the_prefix(
    monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile
) -> None:
    """Cline's writes reach the socket of the mounted service, and its answers, as if it stood alone."""
    async with running(monkeypatch, ledger) as host, listening(f"ws://{host.authority}{PREFIX}/ws") as page:
        await page.until_kind("hello")
        ledger.write(entry("1", cost=0.25))
        update = await page.until_kind("cline_usage_updated")
        usage = (await host.client.get(f"{PREFIX}/api/cline/usage")).json()
        receipt = await host.client.post(f"{PREFIX}/api/cline/import", headers={"origin": f"http://{host.authority}"})
        holder = InstanceLock(database_of(ledger)).find_holder()
    assert update["rows"] == usage["items"]
    assert (usage["totals"]["total_cost"], receipt.json()["skipped_count"]) == (0.25, 1)
    assert holder is not None
    assert holder.url == f"http://{host.authority}{PREFIX}"


@pytest.mark.slow
async def test_page_below_a_prefix_names_only_what_is_there(
    monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile
) -> None:
    """Every address in the document is relative and answered below the prefix."""
    async with running(monkeypatch, ledger) as host:
        assert (await host.client.get(PREFIX)).headers["location"].endswith(f"{PREFIX}/")
        for page in ("/", "/embed"):
            document = await host.client.get(PREFIX + page)
            names = re.findall(r'(?:src|href)="([^"]+)"', document.text)
            answers = [await host.client.get(str(document.url.join(name))) for name in names]
            assert document.text == (WEB / "index.html").read_text(encoding="utf-8")
            assert {answer.status_code for answer in answers} == {200}
            assert all(answer.url.path.startswith(f"{PREFIX}/assets/") for answer in answers)
        problem = await host.client.get(f"{PREFIX}/nothing")
        schema = (await host.client.get(f"{PREFIX}/openapi.json")).json()
    assert problem.json()["code"] == "not_found"
    assert schema["servers"] == [{"url": PREFIX}]


async def test_rules_guard_the_prefix_and_nothing_else(monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile) -> None:
    """Foreign names, origins and frames are refused below the prefix; the application's own routes are its own."""
    async with running(monkeypatch, ledger, TOKEN=TOKEN) as host:
        foreign = {"host": "evil.example", "origin": EVIL, "sec-fetch-site": "cross-site"}
        own = await host.client.get("/health", headers=foreign)
        chat = await host.client.post("/chat", headers=foreign)
        below = f"{PREFIX}/api/cline"
        refused = [
            await host.client.get(f"{below}/status", headers=foreign),
            await host.client.post(f"{below}/import", headers={"origin": EVIL}),
            await host.client.get(f"{below}/status"),
        ]
        async with connect(f"ws://{host.authority}/ws", origin=EVIL) as socket:  # type: ignore[arg-type]  # a NewType
            said = await socket.recv()
        with pytest.raises(InvalidStatus) as handshake:
            await connect(f"ws://{host.authority}{PREFIX}/ws", origin=EVIL)  # type: ignore[arg-type]  # a NewType
        healthy = await host.client.get(f"{PREFIX}/healthz")
    assert (own.json(), chat.json(), said) == ({"word": "of its own"}, {"chat": "ok"}, "its own")
    assert not set(SECURITY_HEADERS) & (set(own.headers) | set(chat.headers))
    assert [answer.status_code for answer in refused] == [421, 403, 401]
    assert handshake.value.response.status_code == 403
    for answer in (*refused, healthy):
        check_security_headers(answer.headers)
    assert healthy.status_code == 200


@pytest.mark.parametrize("stranger", first_is_quick("203.0.113.7", "127.0.0.1, 203.0.113.7", "unknown", ""))
async def test_strangers_are_refused_below_the_prefix(
    monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile, stranger: str
) -> None:
    """Without a token, what a proxy says of the caller counts, also where the server takes its word for the client."""
    async with running(monkeypatch, ledger) as host:
        forwarded, local = {"x-forwarded-for": stranger}, {"x-forwarded-for": "127.0.0.1", "host": "localhost:9000"}
        own = await host.client.get("/health", headers=forwarded)
        refused = [await host.client.get(f"{PREFIX}{path}", headers=forwarded) for path in ("/", "/api/cline/usage")]
        refused.append(await host.client.post(f"{PREFIX}/api/cline/import", headers=forwarded))
        with pytest.raises(InvalidStatus) as handshake:
            await connect(f"ws://{host.authority}{PREFIX}/ws", additional_headers=forwarded)
        tunnelled = await host.client.post(
            f"{PREFIX}/api/cline/import", headers={**local, "origin": "https://localhost:9000"}
        )
        foreign = await host.client.post(f"{PREFIX}/api/cline/import", headers={**local, "origin": "http://localhost"})
    assert own.status_code == 200
    assert [answer.status_code for answer in refused] == [401] * 3
    assert {answer.json()["code"] for answer in refused} == {"token_required"}
    assert handshake.value.response.status_code == 401
    assert (tunnelled.json()["code"], foreign.json()["code"]) == ("ledger_not_found", "origin_refused")


@pytest.mark.slow
async def test_lifespans_are_nested_and_both_end(monkeypatch: pytest.MonkeyPatch, ledger: LedgerFile) -> None:
    """The service is there before the application begins and until it has ended; then the database is free."""
    async with running(monkeypatch, ledger) as host:
        await host.client.get("/health")
        assert host.events == ["begins, database held: True"]
    assert host.events == ["begins, database held: True", "ends, database held: True"]
    assert InstanceLock(database_of(ledger)).find_holder() is None


async def test_application_does_not_start_beside_another_writer(ledger: LedgerFile, tmp_path: Path) -> None:
    """If another process holds the database, the start fails before the application's own, and names the process."""
    settings = make_settings(ledger, tmp_path)
    events: list[str] = []
    host = make_application(events, settings.database_path)
    create_service(settings).mount(host, PREFIX)
    holder = InstanceLock(settings.database_path).acquire("http://127.0.0.1:8611")
    with pytest.raises(InstanceRunning, match=r"http://127\.0\.0\.1:8611"):
        await host.router.lifespan_context(host).__aenter__()
    holder.release()
    async with host.router.lifespan_context(host):
        assert events == ["begins, database held: True"]


async def test_sign_in_below_a_prefix_gives_a_cookie_for_the_prefix(ledger: LedgerFile, tmp_path: Path) -> None:
    """The one-time link leads to the page below the prefix, and the browser shows its cookie there only."""
    settings = make_settings(ledger, tmp_path)
    service, host = create_service(settings), FastAPI()
    service.mount(host, PREFIX)
    transport = httpx.ASGITransport(host)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{settings.port}") as client:
        answer = await client.get(PREFIX + service.issue_sign_in())
        page = await client.get(f"{PREFIX}/", headers={"cookie": answer.headers["set-cookie"].split(";")[0]})
        without = await client.get(f"{PREFIX}/", headers={"cookie": ""})
    assert (answer.status_code, str(answer.url.join(answer.headers["location"]).path)) == (303, f"{PREFIX}/")
    assert "path=" not in answer.headers["set-cookie"].lower()  # so it holds for the folder of the link
    assert (page.status_code, without.status_code) == (200, 401)


@pytest.mark.parametrize("prefix", ["", "/", "/a/b"])
async def test_service_mounts_below_any_prefix(ledger: LedgerFile, tmp_path: Path, prefix: str) -> None:
    """Also without one, behind the application's own routes, which come first; and deeper than one step."""
    settings = make_settings(ledger, tmp_path).model_copy(update={"token": None})
    host = make_application([], settings.database_path)
    create_service(settings).mount(host, prefix)
    below = prefix.rstrip("/")
    transport = httpx.ASGITransport(host)
    async with (
        host.router.lifespan_context(host),
        httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{settings.port}") as client,
    ):
        paths = ("/", "/embed", "/assets/js/main.js", "/api/cline/status", "/readyz")
        answers = [await client.get(below + path) for path in paths]
        chat = await client.post("/chat", headers={"origin": EVIL})
    assert [answer.status_code for answer in answers[:-1]] == [200] * 4
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert (chat.status_code, "x-content-type-options" in chat.headers) == (200, False)


def make_settings(ledger: LedgerFile, folder: Path) -> Settings:
    """Return settings with a token."""
    values = {"ledger_path": str(ledger.path), "database_path": folder / "observer.db", "token": TOKEN}
    return Settings.model_validate(values)
