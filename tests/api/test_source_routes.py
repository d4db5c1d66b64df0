"""Sources, their switches, a reading at once, and the status of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from aico.api.source_routes import ImportOut
from aico.api.status_schemas import StatusOut
from aico.core import errors
from aico.services.overview import take_overview
from aico.services.source_shapes import SourceOut
from bench.fake_session_store import SessionStore, editor_metadata
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import AUTHORITY, Api, Serve
from tests.e2e.fake_cline_ledger import PRIVATE, entry

TOKEN = "a-token-of-twenty-characters"  # noqa: S105  # no secret
LISTED = "http://kimi.example:8000"


@pytest.fixture
def own(tmp_path: Path) -> str:
    """Return a place for Cline's session store, where there is none yet."""
    return str(tmp_path.resolve() / "db" / "sessions.db")


@pytest.fixture
async def quiet(serve: Serve, own: str) -> AsyncIterator[Api]:
    """Serve a ledger of one task, whose session store is in the test's own folder, and not there yet."""
    async with serve(tick_s=3_600, rescan_interval_s=0, sessions_path=own, allowed_origins=LISTED) as api:
        api.ledger.write(entry("1"))
        (await api.import_ledger()).raise_for_status()
        yield api


async def put(api: Api, body: object, source: str = "cline", **headers: str) -> httpx.Response:
    """Switch ``source``."""
    return await api.client.put(f"/api/sources/{source}", json=body, headers=headers)


async def cline(api: Api) -> SourceOut:
    """Return how Cline is, checked against its schema."""
    response = await api.get("/api/sources")
    check_security_headers(response.headers)
    assert PRIVATE not in response.text
    return next(source for source in map(SourceOut.model_validate, response.json()) if source.id == "cline")


def enabled(source: SourceOut) -> dict[str, bool]:
    """Return which origins are read."""
    return {origin.id: origin.enabled for origin in source.origins}


async def unwritten(api: Api) -> list[str]:
    """Return the tools of which a terminal says that some calls are not counted."""
    async with api.service.reader.snapshot() as snapshot:
        overview = await take_overview(snapshot, 1_772_000_000_000, ZoneInfo("UTC"))
    return [each.source for each in overview.lacking.unwritten]


async def test_sources_are_listed_found_or_not(quiet: Api) -> None:
    """The list tells the files in their places by metadata, the state of reading, and the stored sums."""
    source = await cline(quiet)
    assert (source.title, source.enabled, source.fixed_by) == ("Cline", True, None)
    assert enabled(source) == {"ledger": True, "sessions": False, "hub": False}
    assert source.found is not None
    assert (source.found.files, source.found.bytes) == (1, quiet.ledger.size_bytes)
    assert (source.sessions, source.requests, source.unmeasured_requests, source.reading) == (1, 0, 0, None)
    assert source.last_reading is not None
    last = source.last_reading  # the watcher may have been faster
    assert (last.origin, last.added_count + last.skipped_count) == ("ledger", 1)
    assert source.last_reading.at == source.last_read_at
    assert [origin.look for origin in source.origins] == [source.found, None, None]
    sessions = next(origin for origin in source.origins if origin.id == "sessions")
    assert (sessions.found, sessions.state, sessions.reason) == (False, "off", None)


async def test_switch_of_one_origin_leaves_the_others(quiet: Api) -> None:
    """The answer is the source as it is then, and a list read later says the same."""
    response = await put(quiet, {"origins": {"sessions": True}})
    assert response.status_code == 200
    assert enabled(SourceOut.model_validate(response.json())) == {"ledger": True, "sessions": True, "hub": False}
    assert enabled(await cline(quiet)) == {"ledger": True, "sessions": True, "hub": False}
    await put(quiet, {"origins": {"sessions": False}})
    source = await cline(quiet)
    assert enabled(source) == {"ledger": True, "sessions": False, "hub": False}
    assert [origin.off_since is not None for origin in source.origins] == [False, True, False]


async def test_switch_of_a_source_is_of_all_its_origins(quiet: Api) -> None:
    """Off, nothing of it is read or imported, and what is stored stays; on, it is read again."""
    off = SourceOut.model_validate((await put(quiet, {"enabled": False})).json())
    assert (off.enabled, off.state, set(enabled(off).values()), off.sessions) == (False, "off", {False}, 1)
    quiet.ledger.write(entry("1"), entry("2"))
    check_problem(await quiet.client.post("/api/import", json={"source": "cline"}), errors.SourceOff)
    check_problem(await quiet.import_ledger(), errors.SourceOff)
    assert ImportOut.model_validate((await quiet.client.post("/api/import")).json()).receipts == []
    on = SourceOut.model_validate((await put(quiet, {"enabled": True})).json())
    assert set(enabled(on).values()) == {True}
    (receipt,) = ImportOut.model_validate((await quiet.client.post("/api/import")).json()).receipts
    assert receipt.imported_count + receipt.skipped_count == 2


async def test_calls_that_only_the_session_store_lacks_are_a_gap_of_it(serve: Serve, own: str) -> None:
    """Older editions write a ledger, which holds them: nothing is said of it, on the page or in the terminal."""
    async with serve(tick_s=3_600, rescan_interval_s=0, sessions_path=own) as api:
        api.ledger.write(entry("1"))
        (await api.import_ledger()).raise_for_status()
        assert (await cline(api)).gaps == []
        assert await unwritten(api) == []
        with closing(SessionStore(Path(own))) as store:
            store.put("s", editor_metadata(1, 2, 0.75))
            await put(api, {"origins": {"sessions": True}})
            (await api.client.post("/api/import", json={"source": "cline"})).raise_for_status()
        assert [gap.kind for gap in (await cline(api)).gaps] == ["agents"]
        assert await unwritten(api) == ["cline"]
        # The events of the hub have the calls of these agents and turns.
        await put(api, {"origins": {"hub": True}})
        assert [gap.kind for gap in (await cline(api)).gaps] == ["outside-hub"]
        assert await unwritten(api) == ["cline"]


async def test_switch_outlives_the_service(serve: Serve, own: str) -> None:
    """A choice is kept."""
    async with serve(sessions_path=own) as api:
        await put(api, {"origins": {"sessions": True, "ledger": False}})
    async with serve(sessions_path=own) as api:
        assert enabled(await cline(api)) == {"ledger": False, "sessions": True, "hub": False}


async def test_switch_that_configuration_decides_is_409(serve: Serve, own: str) -> None:
    """The answer names the setting; what already is as asked for is no conflict."""
    async with serve(cline_sessions=True, sessions_path=own) as api:
        detail = check_problem(await put(api, {"origins": {"sessions": False}}), errors.SourceFixed)
        assert "cline_sessions" in detail
        assert (await put(api, {"origins": {"sessions": True}})).status_code == 200
        assert enabled(await cline(api))["sessions"]


async def test_import_of_what_configuration_switches_off_names_the_setting(serve: Serve, own: str) -> None:
    """A command that would be refused is not advised."""
    async with serve(sources={"cline": {"enabled": False}}, sessions_path=own) as api:
        response = await api.client.post("/api/import", json={"source": "cline"})
        assert response.json()["code"] == errors.SourceOff.code
        assert "sources.cline.enabled" in response.json()["hint"]
        assert "aico sources on" not in response.json()["hint"]


@pytest.mark.parametrize(
    ("source", "body"),
    [("nobody", {"enabled": True}), ("cline", {"origins": {"nothing": True}}), ("CLINE", {"enabled": True})],
)
async def test_switch_of_what_there_is_not_is_404(api: Api, source: str, body: object) -> None:
    """Neither an unknown source nor an unknown origin of a known one is switched."""
    check_problem(await put(api, body, source), errors.SourceUnknown)


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], {}, "on", {"enabled": "true"}, {"enabled": 1}, {"enabled": None}, {"enabled": True, "force": True}),
        *({"enabled": True, "origins": {"sessions": True}}, {"origins": {}}, {"origins": ["sessions"]}),
        *({"origins": {"sessions": 1}}, {"origins": {"x" * 65: True}}, {"roots": ["/"]}, {"on": True}),
    ],
)
async def test_switch_takes_one_of_two_keys_and_no_other(quiet: Api, body: object) -> None:
    """Everything else is 422, and nothing is switched."""
    before = enabled(await cline(quiet))
    check_problem(await put(quiet, body), errors.RequestInvalid)
    assert enabled(await cline(quiet)) == before


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{}", "body: must hold either `enabled` or `origins`."),
        ('{"enabled": true, "force": true}', "body: has a key that is not known; known are enabled, origins."),
        ('{"enabled": 1}', "enabled: must be a valid boolean."),
        ('{"origins": {}}', "origins: must have at least 1 item."),
        ("[]", "body: must be an object."),
        ("{", "body: is no JSON."),
    ],
)
async def test_mistake_in_a_body_is_told_in_our_words(quiet: Api, body: str, detail: str) -> None:
    """No word of the library that found it, and the keys that there are."""
    response = await quiet.client.put("/api/sources/cline", content=body)
    assert check_problem(response, errors.RequestInvalid) == detail


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_listed_page_may_ask_for_a_reading_and_switch_and_name_nothing(quiet: Api, method: str) -> None:
    """Our own page and programs of this machine may; ``allowed_origins`` are for reading and importing."""
    routes = {"PUT": "/api/sources/cline", "PATCH": "/api/session?source=cline&session_id=1"}
    body = {"PUT": {"enabled": False}, "PATCH": {"label": "x"}}[method]
    for origin, status in ((LISTED, 403), ("http://evil.example", 403), (f"http://{AUTHORITY}", 200)):
        response = await quiet.client.request(method, routes[method], json=body, headers={"origin": origin})
        assert response.status_code == status, origin
        if status == 403:
            check_problem_of_origin(response, origin)
    listed = await quiet.client.post("/api/import", headers={"origin": LISTED})
    assert listed.status_code == 200
    assert listed.headers["access-control-allow-origin"] == LISTED
    assert "PUT" not in listed.headers["access-control-allow-methods"]


async def test_projects_are_switched_by_our_own_page_alone(quiet: Api) -> None:
    """Off at first, on by a request of ours, never by a listed page; another key is told."""
    assert (await quiet.get("/api/projects")).json()["enabled"] is False
    for method, body in (("PUT", {"enabled": True}), ("DELETE", None)):
        refused = await quiet.client.request(method, "/api/projects", json=body, headers={"origin": LISTED})
        check_problem_of_origin(refused, LISTED)
    told = await quiet.client.put("/api/projects", json={"enabled": True, "path": "/srv"})
    check_problem(told, errors.RequestInvalid)
    assert (await quiet.client.put("/api/projects", json={"enabled": True})).json()["enabled"] is True
    assert (await quiet.get("/api/status")).json()["projects"] == (await quiet.get("/api/projects")).json()
    assert (await quiet.client.delete("/api/projects")).json()["named"] == 0


def check_problem_of_origin(response: httpx.Response, origin: str) -> None:
    """Fail unless an origin was refused; a listed one may read why."""
    problem = response.json()
    assert problem["code"] == errors.OriginRefused.code
    assert problem["detail"] == str(errors.OriginRefused(is_own_only=True))
    assert "AICO_ALLOWED_ORIGINS" not in problem["hint"]
    assert ("access-control-allow-origin" in response.headers) == (origin == LISTED)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_program_on_another_machine_switches_and_names_nothing(serve: Serve, own: str, method: str) -> None:
    """Not with the token either, which lets it read and import; our page may, seen from wherever."""
    route = {"PUT": "/api/sources/cline", "PATCH": "/api/session?source=cline&session_id=1"}[method]
    body = {"PUT": {"enabled": False}, "PATCH": {"label": "x"}}[method]
    shown = {"authorization": f"Bearer {TOKEN}"}
    far = {**shown, "x-forwarded-for": "203.0.113.9"}
    async with serve(sessions_path=own, token=TOKEN) as api:
        api.ledger.write(entry("1"))
        assert (await api.client.post("/api/import", headers=far)).status_code == 200
        refused = await api.client.request(method, route, json=body, headers=far)
        check_problem(refused, errors.CallerRefused)
        unknown = await api.client.request(method, route, json=body, headers={"x-forwarded-for": "203.0.113.9"})
        check_problem(unknown, errors.TokenRequired)
        sources = (await api.client.get("/api/sources", headers=far)).json()
        assert [source["id"] for source in sources if source["enabled"]] == ["cline"]
        for more in ({**far, "origin": f"http://{AUTHORITY}"}, {**far, "sec-fetch-site": "same-origin"}, shown):
            assert (await api.client.request(method, route, json=body, headers=more)).status_code == 200


async def test_import_answers_by_source(quiet: Api) -> None:
    """Changes before the request are in the answer; refused entries and partial ones are told apart."""
    partial = {**entry("3"), "tokensIn": None}
    quiet.ledger.write(entry("1"), entry("2"), partial, {"id": ""}, 7)
    response = await quiet.client.post("/api/import", json={})
    check_security_headers(response.headers)
    answer = ImportOut.model_validate(response.json())
    (receipt,) = answer.receipts
    assert receipt.source == "cline"
    assert receipt.imported_count + receipt.skipped_count == 3
    assert (receipt.error_count, receipt.partial_count, receipt.remaining_count) == (2, 1, 0)
    assert [(each.index, each.field) for each in receipt.partials] == [(2, "tokensIn")]
    assert [each.index for each in receipt.rejections] == [3, 4]
    assert answer.commit_seq == quiet.service.hub.revision == 2
    again = ImportOut.model_validate((await quiet.client.post("/api/import", json={"source": "cline"})).json())
    assert (again.receipts[0].imported_count, again.receipts[0].skipped_count, again.commit_seq) == (0, 3, 2)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("body", [b"", b"{}", b' {"source": null}\n'])
async def test_import_takes_a_body_under_any_content_type(quiet: Api, body: bytes, content_type: str | None) -> None:
    """A command line need not declare what it sends."""
    headers = {} if content_type is None else {"content-type": content_type}
    assert (await quiet.client.post("/api/import", content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{", b'{"source": 7}', b'{"path": null}', b'{"source": "cline", "x": 1}']
)
async def test_import_refuses_any_other_key(quiet: Api, body: bytes) -> None:
    """A path above all is never taken from a request for all sources."""
    check_problem(await quiet.client.post("/api/import", content=body), errors.RequestInvalid)


async def test_import_of_an_unknown_source_is_404(quiet: Api) -> None:
    """The answer does not repeat the name."""
    detail = check_problem(await quiet.client.post("/api/import", json={"source": "clien"}), errors.SourceUnknown)
    assert "clien" not in detail


async def test_import_tells_of_a_place_that_cannot_be_read_beside_the_receipts_of_the_others(
    serve: Serve, own: str
) -> None:
    """A broken file costs no other its receipt; one that is not there is told as such; where none is read, it fails."""
    async with serve(tick_s=3_600, rescan_interval_s=0, sessions_path=own, cline_sessions=True) as api:
        api.ledger.write(entry("1"))
        (absent,) = ImportOut.model_validate((await api.client.post("/api/import")).json()).failures
        assert (absent.source, absent.origin, absent.code) == ("cline", "sessions", errors.SessionsNotFound.code)
        assert absent.absent
        api.ledger.overwrite(b"{}" + PRIVATE.encode())
        check_problem(await api.client.post("/api/import"), errors.LedgerFormat)
        with closing(SessionStore(Path(own))) as store:
            store.put("s", editor_metadata(1, 2, 0.75))
            response = await api.client.post("/api/import", json={"source": "cline"})
        assert PRIVATE not in response.text
        answer = ImportOut.model_validate(response.json())
        assert [(each.source, each.imported_count) for each in answer.receipts] == [("cline", 1)]
        (failure,) = answer.failures
        assert (failure.source, failure.origin, failure.absent) == ("cline", "ledger", False)
        assert failure.code == errors.LedgerFormat.code
        assert failure.detail.startswith("Not a known ledger: ")


async def test_status_tells_of_every_source(quiet: Api) -> None:
    """The status tells the state of the database, the last reading of any source, and the state of each."""
    response = await quiet.get("/api/status")
    status = StatusOut.model_validate(response.json())
    assert (status.database_id, status.commit_seq) == (quiet.service.hub.epoch, 1)
    assert status.last_import is not None
    assert (status.last_import.source, status.last_import.origin) == ("cline", "ledger")
    assert [source.id for source in status.sources] == quiet.service.sources.list_ids()
    assert status.command == quiet.service.command
    assert (status.latest_ts, status.recovery, status.kimi_proxy, status.demo) == (1_772_000_000_000, None, None, False)
    assert PRIVATE not in response.text


async def test_status_before_anything_was_read(api: Api) -> None:
    """A machine without any tool has a status, too."""
    status = StatusOut.model_validate((await api.get("/api/status")).json())
    assert (status.latest_ts, status.last_import, status.commit_seq) == (None, None, 0)


@pytest.mark.parametrize(
    ("route", "methods"),
    [
        ("/api/sources", "GET"),
        ("/api/sources/cline", "PUT"),
        ("/api/import", "POST"),
        ("/api/status", "GET"),
        ("/api/session", "GET, PATCH"),
    ],
)
async def test_address_takes_no_other_method(api: Api, route: str, methods: str) -> None:
    """Nothing is switched or read by a method that is not meant for it."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if method not in methods:
            response = await api.client.request(method, route)
            check_problem(response, errors.MethodNotAllowed)
            assert response.headers["allow"] == methods


async def test_address_beside_one_that_takes_any_name_has_its_own_methods(api: Api) -> None:
    """Each kind of activity is put by its name; the reports' address is no kind."""
    response = await api.client.request("OPTIONS", "/api/activity/heartbeats")
    check_problem(response, errors.MethodNotAllowed)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("method", "route"),
    [("PUT", "/api/sources/"), ("GET", "/api/sources/"), ("GET", "/api/status/"), ("GET", "/embed/")],
)
async def test_address_with_a_slash_too_many_is_another_one(api: Api, method: str, route: str) -> None:
    """It is a problem that says so, and no redirect."""
    check_problem(await api.client.request(method, route, json={"enabled": True}), errors.RouteNotFound)


async def test_old_import_counts_the_entries_of_the_ledger_alone(serve: Serve, own: str) -> None:
    """Imported, skipped, refused and remaining are the entries of the file, whatever else of Cline is read."""
    async with serve(tick_s=3_600, rescan_interval_s=0, sessions_path=own, cline_sessions=True) as api:
        with closing(SessionStore(Path(own))) as store:
            for number in range(5):
                store.put(f"s{number}", editor_metadata(1, 2, 0.75))
            api.ledger.write(entry("1"), entry("2"), None)
            receipt = (await api.import_ledger()).json()
            both = (await api.client.post("/api/import", json={"source": "cline"})).json()["receipts"][0]
        counts = ("imported_count", "skipped_count", "error_count", "remaining_count")
        assert [receipt["error_count"], sum(receipt[name] for name in counts)] == [1, 3]
        assert sum(both[name] for name in counts) == 8
        assert receipt["revision"] == api.service.hub.revision
        assert (await api.get("/api/cline/usage")).json()["total"] == 7
        assert both["rejections"] == [{"origin": "ledger", "index": 2, "code": "not_an_object", "field": None}]


async def test_status_counts_what_is_dated_in_the_future(serve: Serve) -> None:
    """More than a day ahead: periods that end now do not show it."""
    async with serve() as api:
        now_ms = api.service.now_ms()
        times = (now_ms, now_ms + 80_000_000, now_ms + 90_000_000, now_ms + 10**12)
        api.ledger.write(*(entry(str(number), ts=ts) for number, ts in enumerate(times)))
        (await api.import_ledger()).raise_for_status()
        status = StatusOut.model_validate((await api.get("/api/status")).json())
        [cline] = [source for source in status.sources if source.id == "cline"]
        assert (cline.future_sessions, cline.future_cost_usd) == (2, 1.0)
        assert sum(source.future_sessions for source in status.sources) == 2


async def test_status_tells_of_forgotten_sessions_in_which_the_tool_goes_on(serve: Serve) -> None:
    """From the first usage on that is behind that moment; it stays in no sum."""
    async with serve() as api:
        now_ms = api.service.now_ms()
        api.ledger.write(entry("1", ts=now_ms), entry("2", ts=now_ms))
        (await api.import_ledger()).raise_for_status()
        body = {"source": "cline", "sessions": ["1"]}
        (await api.client.put("/api/forgotten", json=body)).raise_for_status()
        for ts, told in ((now_ms, 0), (now_ms + 10_000_000, 1)):
            api.ledger.write(entry("1", ts=ts), entry("2", ts=ts))
            (await api.import_ledger()).raise_for_status()
            status = StatusOut.model_validate((await api.get("/api/status")).json())
            [cline] = [source for source in status.sources if source.id == "cline"]
            assert (cline.sessions, cline.forgotten_sessions, cline.forgotten_requests) == (1, told, 0)


async def test_forgetting_is_for_our_own_page_and_this_machine(quiet: Api) -> None:
    """Named, or by their last activity; a listed page cannot, and nothing else is taken."""

    async def forget(body: object, **headers: str) -> httpx.Response:
        return await quiet.client.put("/api/forgotten", json=body, headers=headers)

    wanted = {"source": "cline", "sessions": ["1", "x"]}
    assert (await forget(wanted, origin=LISTED)).status_code == 403
    check_problem(await forget({**wanted, "source": "clien"}), errors.SourceUnknown)
    nothing: dict[str, object] = {"source": "cline"}
    for body in (
        nothing,
        {**wanted, "before": 1},
        {"sessions": ["1"]},
        {**wanted, "x": 1},
        {**nothing, "sessions": []},
    ):
        check_problem(await forget(body), errors.RequestInvalid)
    assert (await quiet.get("/api/cline/usage")).json()["total"] == 1
    assert (await forget(wanted)).json() == {"sessions": ["1"], "unknown": ["x"]}
    assert (await quiet.get("/api/cline/usage")).json()["total"] == 0
    assert (await quiet.import_ledger()).json()["imported_count"] == 0
