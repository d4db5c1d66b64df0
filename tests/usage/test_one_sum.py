"""For any usage of several tools, and any question, every answer of every kind says the same sums."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, cast
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aico.core.db.looking import look
from aico.core.money import exact_usd
from aico.core.own_prices import OwnPrice, OwnPrices
from aico.core.settings import Settings
from aico.core.sums import Sums
from aico.core.usage import SLOT_MS, Record, RequestState, Tokens, UsageEvent, digest
from aico.main import create_app
from aico.services.overview import Overview, stretch_of_days, take_overview
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, open_store, request, temporary_database, usage
from tests.hypothesis_profiles import examples
from tests.usage.test_queries import BATCHES, NOW_SLOT, SOURCES

Answer: TypeAlias = dict[str, object]
Batch: TypeAlias = tuple[str, list[Record]]
Question: TypeAlias = dict[str, int | str | list[str]]

TOKENS = tuple(
    f"{kind}_tokens" for kind in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
)
COSTS = ("recorded_cost_usd", "list_cost_usd", "cost_usd")
COUNTS = ("requests", *(f"{kind}_requests" for kind in ("unpriced", "unmeasured", "interrupted", "at_least")))
NUMBERS = (*TOKENS, *COSTS, *COUNTS)
GROUPS = ("source", "model", "source,model", "session", "day", "day,source", "project")
PAGE = 3
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "from": st.integers(NOW_SLOT - 520, NOW_SLOT - 2).map(lambda slot: slot * SLOT_MS),
        "to": st.integers(NOW_SLOT - 1, NOW_SLOT + 60).map(lambda slot: slot * SLOT_MS),
        "source": st.lists(st.sampled_from(SOURCES), max_size=2, unique=True),
        "model": st.lists(st.sampled_from(["m", "vendor/m_2"]), max_size=2, unique=True),
        "q": st.sampled_from(("m", "a%", "nothing")),
    },
)
# A trillion tokens cost a million dollars at most, as elsewhere here: an answer's floats hold their sums to the last
# digit.
EACH = st.integers(0, 10**6)
PRICES = st.lists(
    st.builds(
        OwnPrice,
        model=st.sampled_from(["m", "vendor*", "*"]),
        valid_from=st.sampled_from([0, NOW_MS // 86_400_000 - 2, NOW_MS // 86_400_000 + 2]),
        input=EACH,
        output=EACH,
        cache_read=st.one_of(st.none(), EACH),
        cache_write_5m=st.one_of(st.none(), EACH),
        cache_write_1h=st.one_of(st.none(), EACH),
    ),
    max_size=3,
)


def exact(number: object) -> Decimal:
    """Return a number of an answer as it was written; what is unknown adds nothing."""
    return Decimal(0) if number in {None, ""} else Decimal(str(number))


def sum_of(parts: Iterable[Mapping[str, object]], names: Sequence[str] = NUMBERS) -> dict[str, Decimal]:
    """Return the sums of some numbers of answers."""
    total = dict.fromkeys(names, Decimal(0))
    for part in parts:
        for name in names:
            total[name] += exact(part[name])
    return total


class Asking:
    """Asks one service, always with the same filter."""

    def __init__(self, client: httpx.AsyncClient, question: Question) -> None:
        self._client = client
        self._question = question

    async def get(self, path: str, *, is_filtered: bool = True, **more: str | int) -> httpx.Response:
        """Return an answer to the filter and ``more``."""
        filters = dict(self._question) if is_filtered else {}
        params = httpx.QueryParams(filters | dict(more.items()))
        answer = await self._client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer

    async def summary(self, **more: str | int) -> Answer:
        """Return a summary."""
        return cast("Answer", (await self.get("/api/summary", is_filtered=True, tz="Europe/Paris", **more)).json())

    async def pages(self, path: str) -> tuple[Answer, list[Answer]]:
        """Return the first page, and the items of all."""
        found: list[Answer] = []
        while True:
            page = (await self.get(path, limit=PAGE, offset=len(found))).json()
            found += page["items"]
            if not page["items"]:
                return page, found


def listed(answer: Answer, name: str) -> list[Answer]:
    """Return a list of an answer."""
    return cast("list[Answer]", answer[name])


async def check_summaries(asking: Asking) -> dict[str, Decimal]:
    """Compare totals, groups of every kind, series and its parts; return the totals."""
    first = await asking.summary()
    totals = cast("Answer", first["totals"])
    whole = sum_of([totals])
    for by in GROUPS:
        answer = await asking.summary(by=by, bucket="day")
        assert answer["totals"] == totals
        assert sum_of(listed(answer, "groups")) == whole
        assert sum_of(listed(answer, "series")) == whole
    for split in ("source", "model", "project"):
        answer = await asking.summary(split=split)
        for place, point in enumerate(listed(answer, "series")):
            parts = [
                {name: cast("list[object]", part[name])[place] for name in ("cost_usd", "tokens")}
                for part in listed(answer, "parts")
            ]
            tokens = sum((exact(point[name]) for name in TOKENS[:5]), Decimal(0))
            assert sum_of(parts, ("cost_usd", "tokens")) == {"cost_usd": exact(point["cost_usd"]), "tokens": tokens}
        assert exact(listed(answer, "series")[-1]["cumulative_cost_usd"]) == whole["cost_usd"]
    for cells in ("hour", "day"):
        heat = (await asking.get("/api/heatmap", by=cells, tz="Europe/Paris")).json()
        assert sum(map(exact, heat["cost_usd"]), Decimal(0)) == whole["cost_usd"]
        assert sum(map(exact, heat["tokens"]), Decimal(0)) == sum((whole[name] for name in TOKENS[:5]), Decimal(0))
    return whole


async def check_sessions(asking: Asking, whole: dict[str, Decimal], *, is_everything: bool) -> None:
    """Compare the pages of sessions, each session by itself, and the exports of all formats."""
    page, items = await asking.pages("/api/sessions")
    assert sum_of([cast("Answer", page["totals"])]) == whole
    assert page["total"] == len(items)
    assert sum_of(cast("Answer", item["spent"]) for item in items) == whole
    if is_everything:
        assert sum_of(items) == whole
        for item in items:
            await check_session(asking, item)
    rows = {
        "json": (await asking.get("/api/export", format="json")).json(),
        "ndjson": [json.loads(line) for line in (await asking.get("/api/export", format="ndjson")).text.splitlines()],
        "csv": list(csv.DictReader(io.StringIO((await asking.get("/api/export", format="csv")).text))),
    }
    for exported in rows.values():
        assert len(exported) == len(items)
        assert sum_of(exported) == whole


async def check_session(asking: Asking, item: Answer) -> None:
    """Compare one session's own numbers with its requests, page by page, and its series."""
    requests: list[Answer] = []
    while True:
        source, key = str(item["source"]), str(item["session_id"])
        detail = (
            await asking.get(
                "/api/session", is_filtered=False, limit=PAGE, offset=len(requests), source=source, session_id=key
            )
        ).json()
        if not detail["requests"]:
            break
        requests += detail["requests"]
    assert sum_of([detail], (*TOKENS, *COSTS)) == sum_of([item], (*TOKENS, *COSTS))
    assert sum_of(requests, (*TOKENS, *COSTS)) == sum_of([item], (*TOKENS, *COSTS))
    assert sum_of(detail["series"]) == sum_of([item])
    assert detail["request_count"] == sum(request["kind"] == "request" for request in requests)


async def check_counters(asking: Asking, whole: dict[str, Decimal], *, is_final: bool) -> None:
    """Compare what is shown to Prometheus; ``is_final``: no request was told twice."""
    text = (await asking.get("/metrics", is_filtered=False)).text
    found: dict[str, Decimal] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = f"{sample.name} {sample.labels.get('direction', '')}".strip()
            found[name] = found.get(name, Decimal(0)) + Decimal(repr(sample.value))
    pairs = [("cost_usd", "", "cost_usd"), ("tokens", " in", "input_tokens"), ("tokens", " out", "output_tokens")]
    for name, direction, kind in pairs:
        assert found.get(f"aico_current_{name}{direction}", Decimal(0)) == whole[kind]
        # A counter never falls, also where a request turns out to be of another model.
        counted = found.get(f"aico_{name}_total{direction}", Decimal(0))
        assert counted == whole[kind] if is_final else counted >= 0


async def check_cline(asking: Asking) -> None:
    """Compare the old answers with the new ones of Cline alone."""
    whole = sum_of([cast("Answer", (await asking.summary(source="cline"))["totals"])])
    old = (await asking.get("/api/cline/summary")).json()
    expected = {
        "tokens_in": whole["input_tokens"],
        "tokens_out": whole["output_tokens"],
        "total_cost": whole["cost_usd"],
    }
    page, items = await asking.pages("/api/cline/usage")
    for parts in ([old["totals"]], [page["totals"]], old["by_model"], old["series"], [item["spent"] for item in items]):
        assert sum_of(cast("list[Answer]", parts), tuple(expected)) == expected


async def check_terminal(asking: Asking, path: Path) -> None:
    """Compare what a command shows of this month with the answer for the same days."""
    overview = look(path, lambda snapshot: take_overview(snapshot, NOW_MS, ZoneInfo("Europe/Paris")))
    shown = Sums.total(overview.month.values())
    first, _end = stretch_of_days(overview.now.date().replace(day=1), overview.month_end, ZoneInfo("Europe/Paris"))
    answer = await asking.summary(**{"from": first * SLOT_MS, "to": overview_end(overview)})
    totals = sum_of([cast("Answer", answer["totals"])])
    assert (exact_usd(shown.cost_nano), Decimal(shown.get("requests"))) == (totals["cost_usd"], totals["requests"])
    assert shown.token_count == sum(totals[kind] for kind in TOKENS[:5])


def overview_end(overview: Overview) -> int:
    """Return the end of the stretch that the overview calls this month, epoch milliseconds."""
    today = overview.now.date()
    return stretch_of_days(today, today, ZoneInfo("Europe/Paris"))[1] * SLOT_MS


async def compare(
    path: Path, batches: Sequence[Batch], question: Question, prices: Sequence[OwnPrice], *, is_final: bool
) -> None:
    """Store everything, and hold every answer of the service against the others.

    ``prices`` are set after half of it, so that they are brought to one half, and found by the other.
    """
    async with open_store(path) as store:
        for place, (source, records) in enumerate(batches):
            if place == len(batches) // 2:
                await store.writer.change_own_prices(lambda _stored: prices)
            await store.take_in_of(source, records, "ledger" if source == "cline" else "files")
    ledger = path.parent / "nowhere" / "taskHistory.json"
    app = create_app(Settings(ledger_path=str(ledger), database_path=path, rescan_interval_s=0, tick_s=60))
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8611")
    async with app.router.lifespan_context(app), client:
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "pricing"))
        known = {each["id"] for each in (await client.get("/api/sources")).json()} | {source for source, _ in batches}
        sources = [name for name in cast("list[str]", question.get("source", [])) if name in known]
        asked = Asking(client, {**question, "source": sources})
        await check_sessions(asked, await check_summaries(asked), is_everything=False)
        everything = Asking(client, {"to": NOW_MS + 10**10})
        whole = await check_summaries(everything)
        await check_sessions(everything, whole, is_everything=True)
        await check_counters(everything, whole, is_final=is_final)
        await check_cline(everything)
        await check_terminal(Asking(client, {}), path)
    assert failed_checks(path) == []


def run(
    batches: Sequence[Batch], question: Question, prices: Sequence[OwnPrice] = (), *, is_final: bool = False
) -> None:
    """Compare in a folder of their own."""
    with temporary_database() as path:
        asyncio.run(compare(path, batches, question, prices, is_final=is_final))


def test_every_answer_about_three_tools_says_the_same_sums() -> None:
    """Two models and none, recorded and unknown costs, cut and unmeasured requests, an agent, and an old session."""
    month = 2_880 * SLOT_MS
    more: list[Record] = [
        request("3", "agent", model="m", output=7, nano=1)._replace(parent="2", ts=NOW_MS - month),
        request("4", "2", model=None, state=RequestState.INTERRUPTED, output=0, nano=None),
        UsageEvent(digest("5"), "1", NOW_MS, "m", Tokens(), None, RequestState.UNMEASURED),
    ]
    batches: list[Batch] = [
        ("cline", [usage("1", total_cost=0.1), usage("2", total_cost=0.0), usage("3", total_cost=12.345678901)]),
        ("log-tool", [request("1", "1", nano=10**9 + 1), request("2", "2", model="vendor/m_2"), *more]),
        ("other-log", [request("1", "1", model="m", nano=333_333_333, cache_read=5)]),
    ]
    prices = [OwnPrice("m", 0, 123_457, 2_000_003), OwnPrice("vendor/*", 0, 1, 0, cache_read=7)]
    run(batches, {"model": ["m"], "from": NOW_MS - 10 * SLOT_MS}, prices, is_final=True)


@pytest.mark.slow
@settings(max_examples=examples(0.2))
@given(st.lists(BATCHES, min_size=1, max_size=8), QUESTIONS, PRICES)
def test_every_answer_about_random_tools_says_the_same_sums(
    batches: list[Batch], question: Question, prices: list[OwnPrice]
) -> None:
    """Requests and running totals, priced and not, measured and not, forks, several models, sources and own prices."""
    run(batches, question, OwnPrices(prices).prices)
