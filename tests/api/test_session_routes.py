"""Sums, sessions, one session, its label and exports of several sources: shapes, filters, bounds, the same sums."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from aico.core import errors
from aico.core.db.writer import Batch
from aico.core.usage import SLOT_MS, AnyRecord, ReadingCounts, Tokens, Trigger, UsageEvent, digest
from aico.features.usage.export import SESSION_COLUMNS
from aico.services.shapes import SessionItemOut, SessionOut, SessionsOut, SummaryOut
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import entry

DAY_MS = 86_400_000
START = 1_772_000_100_000 // DAY_MS * DAY_MS
TOOL = "invented-tool"
HANG_S = 60


async def write(api: Api, source: str, *records: AnyRecord) -> None:
    """Store what a source says, as the pipeline does, and tell it."""
    batch = Batch(source, "log", "log", records, ReadingCounts(Trigger.WATCH))
    _receipt, committed = await api.service.writer.apply(batch)
    assert committed is not None
    api.service.publish_commit(committed)


def call(
    name: str, session: str, ts: int, model: str | None, nano: int | None, parent: str | None = None
) -> UsageEvent:
    """Return a request of 100 uncached and 1,000 cached tokens, and 20 of output."""
    return UsageEvent(digest(name), session, ts, model, Tokens(100, 1_000, 10, 0, 20, None), nano, parent=parent)


@pytest.fixture
async def filled(serve: Serve) -> AsyncIterator[Api]:
    """Serve two tasks of Cline's and two sessions of another tool, on three days, of three models and none."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        api.ledger.write(
            entry("a", ts=START, model="m/one", tokens_in=100, tokens_out=10, cost=0.1),
            entry("b", ts=START + DAY_MS, model="m/two", tokens_in=200, tokens_out=20, cost=0.2),
        )
        (await api.import_ledger()).raise_for_status()
        await write(
            api,
            TOOL,
            call("1", "main", START + SLOT_MS, "m/one", 300_000_000),
            call("2", "main", START + 2 * DAY_MS, "m/three", None),
            call("3", "a", START + 2 * DAY_MS + 1, None, 1, parent="main"),
        )
        yield api


async def get(api: Api, route: str) -> httpx.Response:
    """Return the answer of ``route``, which must be one."""
    response = await api.get(route)
    assert response.status_code == 200, response.text
    check_security_headers(response.headers)
    return response


async def summary(api: Api, query: str = "") -> SummaryOut:
    """Return the sums for ``query``, checked against their schema."""
    return SummaryOut.model_validate((await get(api, f"/api/summary{query}")).json())


async def sessions(api: Api, query: str = "") -> SessionsOut:
    """Return the page for ``query``, checked against its schema."""
    return SessionsOut.model_validate((await get(api, f"/api/sessions{query}")).json())


def names(page: SessionsOut) -> list[tuple[str, str]]:
    """Return source and id of each session."""
    return [(item.source, item.session_id) for item in page.items]


async def test_summary_is_told_apart_by_source_and_model(filled: Api) -> None:
    """The most expensive first; tokens of each kind, costs by their basis, and null for numbers that nobody tells."""
    answer = (await get(filled, "/api/summary")).json()
    assert answer["by"] == ["source", "model"]
    assert [(group["source"], group["model"], group["cost_usd"]) for group in answer["groups"]] == [
        (TOOL, "m/one", 0.3),
        ("cline", "m/two", 0.2),
        ("cline", "m/one", 0.1),
        (TOOL, None, 0.000000001),
        (TOOL, "m/three", None),
    ]
    totals = answer["totals"]
    assert (totals["input_tokens"], totals["cache_read_tokens"], totals["output_tokens"]) == (600, 3_000, 90)
    assert (totals["cache_write_5m_tokens"], totals["cache_write_1h_tokens"], totals["reasoning_tokens"]) == (
        30,
        None,
        None,
    )
    assert (totals["cost_usd"], totals["recorded_cost_usd"], totals["list_cost_usd"]) == (
        0.600000001,
        0.600000001,
        None,
    )
    assert totals["cost_basis"] == {"recorded": 0.600000001, "own": 0.0, "listed": 0.0}
    assert (totals["requests"], totals["sessions"], totals["unpriced_requests"], totals["at_least"]) == (3, 4, 1, True)
    assert answer["exact_since"].keys() == {"cline", TOOL}
    assert answer["other"] is None


async def test_group_has_the_fields_that_were_asked_for(filled: Api) -> None:
    """By day and source; a session comes with its source, since two tools may call theirs the same."""
    days = (await get(filled, "/api/summary?by=day,source&tz=Europe/Paris")).json()["groups"]
    assert [(group["day"], group["source"], group["sessions"]) for group in days] == [
        ("2026-02-25", TOOL, 1),
        ("2026-02-25", "cline", 1),
        ("2026-02-26", "cline", 1),
        ("2026-02-27", TOOL, 2),
    ]
    assert "model" not in days[0]
    groups = (await get(filled, "/api/summary?by=session")).json()["groups"]
    assert [(group["source"], group["session_id"]) for group in groups] == [
        (TOOL, "main"),
        ("cline", "b"),
        ("cline", "a"),
        (TOOL, "a"),
    ]
    projects = (await get(filled, "/api/summary?by=project")).json()["groups"]
    assert [(group["project"], group["sessions"]) for group in projects] == [(None, 4)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?source=cline",
        f"?source={TOOL}&source=cline",
        "?model=m/one&model=m/two",
        "?unknown_model=true",
        "?q=MAIN",
        f"?from={START}&to={START + DAY_MS}",
        f"?from={START + DAY_MS + 1}&source={TOOL}",
        "?source=&model=&q=&from=&to=",
    ],
)
async def test_every_answer_to_one_filter_adds_up(filled: Api, query: str) -> None:
    """Totals, groups, series, sessions and both exports are the same sums, to the last nano-dollar."""
    one, page = await summary(filled, query), await sessions(filled, query)
    assert one.totals == page.totals
    expected = Decimal(repr(one.totals.cost_usd or 0.0))
    for parts in (one.groups, one.series, [item.spent for item in page.items]):
        assert sum((Decimal(repr(part.cost_usd or 0.0)) for part in parts), Decimal(0)) == expected
        assert sum(part.input_tokens or 0 for part in parts) == (one.totals.input_tokens or 0)
        assert sum(part.requests for part in parts) == one.totals.requests
    assert one.series[-1].cumulative_cost_usd == (one.totals.cost_usd or 0.0)
    assert page.total == len(page.items) == one.totals.sessions
    separator = "&" if query else "?"
    exported = json.loads((await get(filled, f"/api/export{query}{separator}format=json")).text, parse_float=Decimal)
    assert sum((row["cost_usd"] or 0 for row in exported), Decimal(0)) == expected
    assert [(row["source"], row["session_id"]) for row in exported] == names(page)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [(TOOL, "a"), (TOOL, "main"), ("cline", "b"), ("cline", "a")]),
        ("?limit=1&offset=1", [(TOOL, "main")]),
        ("?source=cline", [("cline", "b"), ("cline", "a")]),
        ("?model=m/one", [(TOOL, "main"), ("cline", "a")]),
        ("?model=m/two&model=m/three", [(TOOL, "main"), ("cline", "b")]),
        ("?unknown_model=true", [(TOOL, "a")]),
        ("?sort=cost_usd&order=asc&limit=2", [(TOOL, "a"), ("cline", "a")]),
        ("?sort=session_id&order=asc&limit=3", [("cline", "a"), (TOOL, "a"), ("cline", "b")]),
        ("?q=mai", [(TOOL, "main")]),
        ("?project=none", []),
        (f"?to={START + DAY_MS}", [(TOOL, "main"), ("cline", "a")]),
    ],
)
async def test_sessions_inside_the_filter_are_listed(filled: Api, query: str, expected: list[tuple[str, str]]) -> None:
    """Newest first unless asked otherwise; a filter may name several sources and models."""
    assert names(await sessions(filled, query)) == expected


async def test_session_item_tells_whole_and_part(filled: Api) -> None:
    """Its own numbers are everything, ``spent`` is what lies inside the filter; no tool's total is made up."""
    (item,) = (await sessions(filled, "?model=m/three")).items
    assert (item.input_tokens, item.spent.input_tokens, item.requests, item.spent.requests) == (200, 100, 2, 1)
    assert (item.started_at, item.last_at, item.model) == (START + SLOT_MS, START + 2 * DAY_MS, "m/three")
    assert (item.cost_usd, item.spent.cost_usd, item.stated, item.origin) == (0.3, None, None, None)
    (task,) = (await sessions(filled, "?model=m/two")).items
    assert task.stated is not None
    assert (task.stated.input_tokens, task.stated.cache_read_tokens, task.stated.cost_usd) == (200, None, 0.2)
    assert (task.origin, task.requests, task.cache_read_tokens) == ("ledger", 0, None)


async def test_session_is_told_with_its_requests(filled: Api) -> None:
    """Newest first, page by page, with the cost of each and its basis; and the sessions that it started."""
    answer = (await get(filled, f"/api/session?source={TOOL}&session_id=main&limit=1")).json()
    found = SessionOut.model_validate(answer)
    assert (found.total, found.limit, found.offset, found.request_count, found.children) == (2, 1, 0, 2, ["a"])
    (newest,) = found.requests
    assert (newest.at, newest.model, newest.cost_usd, newest.cost_basis) == (
        START + 2 * DAY_MS,
        "m/three",
        None,
        "none",
    )
    assert (newest.input_tokens, newest.cache_read_tokens, newest.reasoning_tokens) == (100, 1_000, None)
    assert (newest.kind, newest.state, newest.unknown) == ("request", "final", [])
    (oldest,) = (await get(filled, f"/api/session?source={TOOL}&session_id=main&offset=1")).json()["requests"]
    assert (oldest["cost_usd"], oldest["cost_basis"]) == (0.3, "recorded")
    assert found.series[-1].cumulative_cost_usd == found.spent.cost_usd == found.cost_usd == 0.3
    assert (answer["from"], answer["to"]) == (START + SLOT_MS, START + 2 * DAY_MS + SLOT_MS)
    together = found.together
    assert (together.sessions, together.cost_usd, together.at_least, together.requests) == (2, 0.300000001, True, 3)
    child = (await get(filled, f"/api/session?source={TOOL}&session_id=a")).json()
    assert (child["together"]["sessions"], child["together"]["cost_usd"]) == (1, 1e-9)
    assert child["parent"] == "main"
    task = (await get(filled, "/api/session?source=cline&session_id=a")).json()
    assert [(row["kind"], row["cost_basis"]) for row in task["requests"]] == [("growth", "recorded")]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("query", [f"source={TOOL}&session_id=b", "source=nobody&session_id=a", "source=&session_id="])
async def test_session_that_there_is_not_is_404(filled: Api, method: str, query: str) -> None:
    """Of a known source or an unknown one, to be read or to be named."""
    response = await filled.client.request(method, f"/api/session?{query}", json={"label": "x"})
    check_problem(response, errors.SessionUnknown)


@pytest.mark.parametrize("query", ["", "?source=cline", "?session_id=a", f"?source=cline&session_id={'x' * 201}"])
async def test_session_needs_source_and_id(api: Api, query: str) -> None:
    """Neither alone names a session."""
    check_problem(await api.get(f"/api/session{query}"), errors.RequestInvalid)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Payments", "Payments"),
        ("  \u00e9t\u00e9 \U0001f468\u200d\U0001f469 ", "\u00e9t\u00e9 \U0001f468\u200d\U0001f469"),
        ("x" * 200, "x" * 200),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
async def test_label_is_kept_shown_and_found(filled: Api, given: str | None, kept: str | None) -> None:
    """The user's own name of a session is told at once, listed, searched, and survives the next import."""
    first = await filled.client.patch("/api/session?source=cline&session_id=a", json={"label": "before"})
    assert first.json()["label"] == "before"
    response = await filled.client.patch("/api/session?source=cline&session_id=a", json={"label": given})
    assert response.status_code == 200
    assert response.json()["label"] == kept
    filled.ledger.write(entry("a", ts=START, model="m/one", tokens_in=101, tokens_out=10, cost=0.1))
    (await filled.import_ledger()).raise_for_status()
    assert {(item.session_id, item.label) for item in (await sessions(filled, "?source=cline")).items} == {
        ("a", kept),
        ("b", None),
    }
    if kept is not None:
        assert names(await sessions(filled, f"?q={kept[:50]}")) == [("cline", "a")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"label": 7}',
        b'{"label": "x", "more": 1}',
        b'{"label": "a\\u0000b"}',
        b'{"label": "a\\nb"}',
        *(b'{"label": "a\\u202eb"}', b'{"label": "a\\u2066b"}'),
        b'{"label": "a\\u2028b"}',
        b'{"label": "\\ud800"}',
        b'{"label": "' + b"x" * 201 + b'"}',
        b"\xff",
    ],
)
async def test_label_that_is_none_is_refused(filled: Api, body: bytes) -> None:
    """At most 200 characters, none that control; nothing is written, and the text is not repeated."""
    revision = filled.service.hub.revision
    response = await filled.client.patch("/api/session?source=cline&session_id=a", content=body)
    detail = check_problem(response, errors.RequestInvalid)
    assert "xxx" not in detail
    assert filled.service.hub.revision == revision


async def test_label_is_told_to_every_page(filled: Api) -> None:
    """A label advances the revision by one, and both messages of Cline's carry it."""
    revision = filled.service.hub.revision
    with filled.service.hub.subscribe(None, None) as subscription:
        await filled.client.patch("/api/session?source=cline&session_id=a", json={"label": "Payments"})
        told: list[dict[str, object]] = []
        async with asyncio.timeout(HANG_S):
            while len(told) < 2:
                message = json.loads(await subscription.get() or "")
                told += [message] if message["type"].endswith("usage_updated") else []
    assert [(message["type"], message["revision"]) for message in told] == [
        ("usage_updated", revision + 1),
        ("cline_usage_updated", revision + 1),
    ]
    rows = told[0]["rows"]
    assert isinstance(rows, list)
    (item,) = map(SessionItemOut.model_validate, rows)
    assert (item.label, item.spent.input_tokens, item.input_tokens) == ("Payments", 0, 100)
    items = (await get(filled, "/api/cline/usage?q=payments")).json()["items"]
    assert told[1]["rows"] == items


async def test_unchanged_label_is_no_change(filled: Api) -> None:
    """The same label again advances nothing."""
    for _ in range(2):
        await filled.client.patch("/api/session?source=cline&session_id=a", json={"label": "Payments"})
    assert filled.service.hub.revision == (await sessions(filled)).commit_seq == 3


@pytest.mark.parametrize("route", ["/api/summary", "/api/sessions", "/api/export"])
async def test_unknown_source_in_a_filter_is_404(filled: Api, route: str) -> None:
    """A slip of the pen is told, not answered with zeros; a source that is only stored is known."""
    detail = check_problem(await filled.get(f"{route}?source=cline&source=clien"), errors.SourceUnknown)
    assert "clien" not in detail
    assert (await filled.get(f"{route}?source={TOOL}")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        *("from=-1", "to=1e3", "from=900000&to=900000", "model=" + "m" * 201, "q=" + "q" * 201, "unknown_model=maybe"),
        *("model=m&unknown_model=true", "source=" + "s" * 201, "project=" + "p" * 201, "model=m&" * 101),
        *("model=%00", "q=a%00", "project=%00"),
    ],
)
@pytest.mark.parametrize("route", ["summary", "sessions", "export"])
async def test_filter_out_of_bounds_is_422(api: Api, route: str, query: str) -> None:
    """A value that is malformed or out of bounds is refused on every route that knows the filter."""
    check_problem(await api.get(f"/api/{route}?{query}"), errors.RequestInvalid)


@pytest.mark.parametrize(
    "address",
    [
        *("summary?modle=x", "sessions?source=cline&modle=x", "session?source=cline&session_id=1&at=0", "export?Q=x"),
        *("sources?x", "status?at=1", "cline/usage?modle=x", "cline/summary?limit=1", "cline/export?_=1"),
        *("cline/status?_=1", "sessions?=x"),
    ],
)
async def test_parameter_that_a_route_does_not_know_is_refused(filled: Api, address: str) -> None:
    """A slip of the pen is told with the names that there are, not answered with the sums of everything."""
    detail = check_problem(await filled.get(f"/api/{address}"), errors.RequestInvalid)
    assert detail.startswith("query: has a parameter that is not known; ")
    assert "modle" not in detail
    if "modle" in address:
        assert " model, " in detail


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("summary?from=abc", "from: must be a valid integer."),
        ("sessions?limit=0", "limit: must be greater than or equal to 1."),
        ("sessions?order=up", "order: must be 'asc' or 'desc'."),
        ("session?source=cline", "session_id: is missing."),
    ],
)
async def test_mistake_in_a_parameter_is_told_in_our_words(api: Api, address: str, detail: str) -> None:
    """The parameter's own name and what it must be, without a type of the library."""
    assert check_problem(await api.get(f"/api/{address}"), errors.RequestInvalid) == detail


@pytest.mark.parametrize(
    "address",
    [
        *("summary?by=planet", "summary?by=source,,model", "summary?by=" + "x" * 65, "summary?bucket=year"),
        *("summary?tz=Mars/Olympus", f"summary?bucket=15m&from=0&to={START}", f"summary?by=day&from=0&to={START}"),
        *("sessions?limit=0", "sessions?limit=1001", "sessions?offset=-1", "sessions?sort=prompt", "sessions?order=up"),
        *("export?format=xml", "export?dialect=excel", "export?tz=Mars/Olympus", "export?sort=ts"),
    ],
)
async def test_parameter_out_of_bounds_is_422(api: Api, address: str) -> None:
    """A route's parameters besides the filter have bounds, too."""
    check_problem(await api.get(f"/api/{address}"), errors.RequestInvalid)


async def test_answers_of_nothing_are_whole(api: Api) -> None:
    """Before the first import there are sums, pages and files, all empty."""
    one, page = await summary(api), await sessions(api)
    assert (one.groups, one.totals.sessions, one.totals.cost_usd, page.items, page.total) == ([], 0, 0.0, [], 0)
    assert (await get(api, "/api/export?format=json")).json() == []
    assert (await get(api, "/api/export")).text == ",".join(SESSION_COLUMNS) + "\r\n"


async def test_export_is_guarded_csv_by_default(filled: Api) -> None:
    """A file to be saved, with the local time of the zone that is asked for, and amounts without noise."""
    await filled.client.patch("/api/session?source=cline&session_id=a", json={"label": "=HYPERLINK(1)"})
    response = await get(filled, "/api/export?source=cline&tz=Asia/Kathmandu")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="ai-usage.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["session_id"], row["label"], row["cost_usd"], row["cache_read_tokens"]) for row in rows] == [
        ("b", "", "0.2", ""),
        ("a", "'=HYPERLINK(1)", "0.1", ""),
    ]
    assert rows[1]["last_activity_local"] == "2026-02-25T05:45:00.000+05:45"
    french = (await get(filled, "/api/export?source=cline&dialect=excel-fr")).text
    assert french.startswith("\ufeffsource;session_id;")
    assert ";0,2;" in french
