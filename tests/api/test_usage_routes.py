"""Tasks, sums, status and exports: shapes, filters, bounds, and the same sums everywhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator

import pytest

from aico.api.status_schemas import TaskStatusOut
from aico.core import errors
from aico.core.usage import SLOT_MS
from aico.services.task_shapes import TaskSummaryOut, UsageOut
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import PRIVATE, entry, now_ms
from tests.quick_variants import first_is_quick

DAY_MS = 86_400_000
START = 1_772_000_100_000 // DAY_MS * DAY_MS
KIMI, CLAUDE = "moonshotai/kimi-k2.6", "anthropic/claude-sonnet-5"


@pytest.fixture
async def filled(serve: Serve) -> AsyncIterator[Api]:
    """Serve six tasks on three days, of two models and none; one of them costs nothing."""
    async with serve(tick_s=3_600, rescan_interval_s=0) as api:
        api.ledger.write(
            entry("a", ts=START, model=KIMI, tokens_in=100, tokens_out=10, cost=0.1),
            entry("b", ts=START + SLOT_MS, model=KIMI, tokens_in=200, tokens_out=20, cost=0.2),
            entry("c", ts=START + DAY_MS, model=CLAUDE, tokens_in=300, tokens_out=30, cost=0.00004),
            entry("d", ts=START + DAY_MS, model=None, tokens_in=400, tokens_out=40, cost=0),
            entry("=e+f", ts=START + 2 * DAY_MS, model=CLAUDE, tokens_in=0, tokens_out=0, cost=0),
            entry("g", ts=START + 2 * DAY_MS + 1, model=KIMI, tokens_in=600, tokens_out=60, cost=1000.5),
        )
        (await api.import_ledger()).raise_for_status()
        yield api


async def usage(api: Api, query: str = "") -> UsageOut:
    """Return the page for ``query``, checked against its schema."""
    response = await api.get(f"/api/cline/usage{query}")
    assert response.status_code == 200, response.text
    check_security_headers(response.headers)
    return UsageOut.model_validate(response.json())


async def summary(api: Api, query: str = "") -> TaskSummaryOut:
    """Return the summary for ``query``, checked against its schema."""
    response = await api.get(f"/api/cline/summary{query}")
    assert response.status_code == 200, response.text
    return TaskSummaryOut.model_validate(response.json())


async def test_usage_lists_newest_first_with_lifetime_and_spent(filled: Api) -> None:
    """An item holds the six numbers, when it was first seen, and what was spent; no prompt anywhere."""
    page = await usage(filled)
    assert [item.task_id for item in page.items][:2] == ["g", "=e+f"]
    assert (page.limit, page.offset, page.total) == (100, 0, 6)
    newest = page.items[0]
    assert newest.model_dump(exclude={"imported_at"}) == {
        "task_id": "g",
        "ts": START + 2 * DAY_MS + 1,
        "model_id": KIMI,
        "tokens_in": 600,
        "tokens_out": 60,
        "total_cost": 1000.5,
        "store": "ledger",
        "spent": {"tokens_in": 600, "tokens_out": 60, "total_cost": 1000.5},
        "state": None,
        "has_fallen": False,
        "unknown": [],
        "unstated": [],
    }
    assert page.totals.model_dump() == {
        "tokens_in": 1600,
        "tokens_out": 160,
        "total_cost": 1000.80004,
        "task_count": 6,
        "unpriced_task_count": 1,
        "unmeasured_count": 0,
    }
    assert PRIVATE not in page.model_dump_json()


@pytest.mark.parametrize(
    ("query", "task_ids"),
    [
        ("?limit=2", ["g", "=e+f"]),
        ("?limit=2&offset=2", ["d", "c"]),
        ("?offset=6", []),
        ("?limit=1000&sort=task_id&order=asc", ["=e+f", "a", "b", "c", "d", "g"]),
        ("?sort=total_cost&limit=3", ["g", "b", "a"]),
        ("?sort=tokens_in&order=asc&limit=2", ["=e+f", "a"]),
        ("?sort=tokens_out&limit=1", ["g"]),
        (f"?model={CLAUDE}", ["=e+f", "c"]),
        ("?model=", ["g", "=e+f", "d", "c", "b", "a"]),
        ("?limit=100&offset=0&model=&from=&to=&q=&sort=ts&order=desc", ["g", "=e+f", "d", "c", "b", "a"]),
        ("?unknown_model=true", ["d"]),
        ("?q=KIMI", ["g", "b", "a"]),
        ("?q=%3De", ["=e+f"]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?q='%20OR%201=1%20--", []),
        (f"?from={START}&to={START + 1}", ["a"]),
        (f"?from={START + 1}&to={START + SLOT_MS}", ["a"]),
        (f"?from={START + SLOT_MS}&to={START + SLOT_MS + 1}", ["b"]),
        (f"?to={START + DAY_MS}", ["b", "a"]),
        (f"?from={START + 2 * DAY_MS}", ["g", "=e+f"]),
        (f"?from={START + 2 * DAY_MS}&model={KIMI}&q=G", ["g"]),
    ],
)
async def test_usage_lists_the_tasks_inside_the_filter(filled: Api, query: str, task_ids: list[str]) -> None:
    """Filters, order and pages give exactly the tasks that they describe; times are rounded out to quarters."""
    assert [item.task_id for item in (await usage(filled, query)).items] == task_ids


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=1.5", "limit=", "offset=-1", "offset=x"),
        *("offset=99999999999999999999", "sort=prompt", "sort=", "order=up", "from=-1", "from=yesterday", "to=1e3"),
        *("from=253370764800001", "to=99999999999999999999999", "from=900000&to=900000", "from=1800000&to=900000"),
        *("model=" + "m" * 201, "q=" + "q" * 201, "unknown_model=maybe", "model=m&unknown_model=true"),
        *("model=%00", "q=%00"),
    ],
)
@pytest.mark.parametrize("route", first_is_quick("usage", "summary", "export"))
async def test_parameter_out_of_bounds_is_422(api: Api, route: str, query: str) -> None:
    """A value that is malformed or out of bounds is refused by name, on every route that knows the parameter."""
    name = query.partition("=")[0]
    if route != "usage" and name in {"limit", "offset", "sort", "order"}:
        query = f"from=x&{query}"
    detail = check_problem(await api.get(f"/api/cline/{route}?{query}"), errors.RequestInvalid)
    assert len(detail) < 200


@pytest.mark.parametrize(
    "query",
    [
        *("bucket=year", "bucket=", "tz=Mars/Olympus", "tz=", "tz=../../etc/passwd", "tz=/etc/passwd", "tz=Europe"),
        *("tz=" + "z" * 65, "tz=%00", "tz=UTC%00", "tz=posixrules%2F..", f"bucket=15m&from=0&to={START}"),
        f"bucket=hour&from={START}&to={START + 1_001 * 3_600_000}",
    ],
)
async def test_summary_refuses_buckets_and_zones_that_there_are_not(api: Api, query: str) -> None:
    """Unknown zones and sizes, and more than a thousand buckets of an explicit size, are 422."""
    check_problem(await api.get(f"/api/cline/summary?{query}"), errors.RequestInvalid)


async def test_summary_is_made_of_the_same_deltas_as_usage(filled: Api) -> None:
    """Totals, the sums of models and buckets, and the totals of usage are equal to the last digit."""
    for query in ("", f"?model={KIMI}", f"?from={START}&to={START + DAY_MS}", "?unknown_model=true", "?q=claude"):
        one, page = await summary(filled, query), await usage(filled, query)
        assert one.totals == page.totals
        assert sum(model.tokens_in for model in one.by_model) == one.totals.tokens_in
        assert sum(point.tokens_in for point in one.series) == one.totals.tokens_in
        assert sum(round(point.total_cost * 1e9) for point in one.series) == round(one.totals.total_cost * 1e9)
        assert sum(round(model.total_cost * 1e9) for model in one.by_model) == round(one.totals.total_cost * 1e9)
        assert one.series[-1].cumulative_cost == one.totals.total_cost


async def test_summary_orders_models_and_names_the_unknown(filled: Api) -> None:
    """The most expensive model comes first; an unknown one is null, and unpriced tasks are counted."""
    models = (await summary(filled)).by_model
    assert [model.model_id for model in models] == [KIMI, CLAUDE, None]
    assert [model.task_count for model in models] == [3, 2, 1]
    assert [model.unpriced_task_count for model in models] == [0, 0, 1]


@pytest.mark.parametrize("tz", first_is_quick("America/St_Johns", "Europe/Paris", "Asia/Kathmandu", "UTC"))
@pytest.mark.parametrize("bucket", ["auto", "hour", "day", "week", "month"])
async def test_summary_series_is_gapless_in_every_zone(filled: Api, tz: str, bucket: str) -> None:
    """Buckets ascend from the begin of the answer to its end, and say which zone and size they have."""
    answer = await summary(filled, f"?tz={tz}&bucket={bucket}&from={START + 1}&to={START + 3 * DAY_MS - 1}")
    starts = [point.start for point in answer.series]
    assert (answer.from_, answer.to, answer.tz) == (START, START + 3 * DAY_MS, tz)
    assert bucket in {"auto", answer.bucket.value}
    assert starts[0] == answer.from_
    assert starts == sorted(set(starts))
    assert starts[-1] < answer.to
    assert all(start % SLOT_MS == 0 for start in starts)


async def test_summary_compares_with_the_equal_stretch_before(filled: Api) -> None:
    """With a begin, the stretch before is summed, too; without one there is none."""
    answer = await summary(filled, f"?from={START + DAY_MS}&to={START + 2 * DAY_MS}")
    assert answer.previous is not None
    assert answer.previous.tokens_in == 300
    assert (await summary(filled)).previous is None


async def test_summary_of_nothing_is_zeros(api: Api) -> None:
    """Before the first import every sum is zero and nothing is exact yet."""
    answer = await summary(api)
    assert answer.totals.model_dump() == dict.fromkeys(answer.totals.model_dump(), 0)
    assert answer.by_model == []
    assert len(answer.series) == 1
    assert answer.exact_since is None


async def test_summary_knows_since_when_it_is_exact(filled: Api) -> None:
    """After the first import, usage is dated as it happens."""
    since = (await summary(filled)).exact_since
    assert since is not None
    assert abs(since - now_ms()) < DAY_MS


async def test_auto_bucket_coarsens_to_stay_within_bounds(api: Api) -> None:
    """However long the stretch, the automatic size never gives more than a thousand buckets."""
    for years in (1, 10, 80):
        answer = await summary(api, f"?from=0&to={years * 365 * DAY_MS}")
        assert len(answer.series) <= 1_000


async def test_status_tells_what_is_watched_and_imported(filled: Api) -> None:
    """The status names file, chooser, state, last reading, position and version, and no entry."""
    response = await filled.get("/api/cline/status")
    status = TaskStatusOut.model_validate(response.json())
    assert status.ledger.path == filled.settings.ledger_path
    assert status.ledger.chosen_by == "flag"
    assert status.ledger.exists
    assert status.ledger.size_bytes == filled.ledger.size_bytes
    assert status.latest_ts == START + 2 * DAY_MS + 1
    assert (status.task_count, status.revision, status.demo, status.kimi_proxy) == (6, 1, False, None)
    assert status.epoch == filled.service.hub.epoch
    assert status.last_import is not None
    assert abs(status.last_import.at - now_ms()) < DAY_MS
    assert PRIVATE not in response.text


async def test_status_before_the_file_exists(api: Api) -> None:
    """A machine without Cline has a status, too: waiting, and for which file."""
    status = TaskStatusOut.model_validate((await api.get("/api/cline/status")).json())
    assert not status.ledger.exists
    assert (status.ledger.size_bytes, status.ledger.written_at, status.latest_ts) == (None, None, None)
    assert (status.task_count, status.revision) == (0, 0)


async def test_status_of_a_file_that_is_refused(filled: Api) -> None:
    """A file that may not be read is there all the same; nothing is said of its size."""
    filled.ledger.path.with_name("second-name.json").hardlink_to(filled.ledger.path)
    status = TaskStatusOut.model_validate((await filled.get("/api/cline/status")).json())
    assert (status.ledger.exists, status.ledger.size_bytes, status.ledger.written_at) == (True, None, None)


async def test_status_shows_the_budget(serve: Serve) -> None:
    """The operator's budget is told to the page."""
    async with serve(budget_daily_usd=5, budget_monthly_usd=100.5) as api:
        budget = (await api.get("/api/cline/status")).json()["budget"]
    assert budget == {"daily_usd": 5.0, "monthly_usd": 100.5}


async def test_export_is_guarded_csv_by_default(filled: Api) -> None:
    """Every task is a line, newest first; what a spreadsheet would take for a formula is marked as text."""
    response = await filled.get("/api/cline/export")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == 'attachment; filename="cline-usage.csv"'
    check_security_headers(response.headers)
    lines = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert [line["task_id"] for line in lines] == ["g", "'=e+f", "d", "c", "b", "a"]
    assert lines[3]["total_cost"] in {"4e-05", "0.00004"}
    assert PRIVATE not in response.text


async def test_export_is_json_and_ndjson_when_asked(filled: Api) -> None:
    """Both hold the same objects, under their media types, and the filter applies."""
    as_json = await filled.get(f"/api/cline/export?format=json&model={KIMI}")
    as_lines = await filled.get(f"/api/cline/export?format=ndjson&model={KIMI}")
    objects = as_json.json()
    assert [one["task_id"] for one in objects] == ["g", "b", "a"]
    assert [json.loads(line) for line in as_lines.text.splitlines()] == objects
    assert as_json.headers["content-type"] == "application/json"
    assert as_lines.headers["content-type"].startswith("application/x-ndjson")


@pytest.mark.parametrize(("form", "text"), [("json", []), ("ndjson", None)])
async def test_export_of_nothing_is_empty(api: Api, form: str, text: list[object] | None) -> None:
    """An export before the first import is a valid document without a task."""
    response = await api.get(f"/api/cline/export?format={form}")
    assert response.status_code == 200
    assert (response.json() if text is not None else response.text) == ([] if text is not None else "")


async def test_export_refuses_an_unknown_format(api: Api) -> None:
    """There are three formats."""
    check_problem(await api.get("/api/cline/export?format=xlsx"), errors.RequestInvalid)
