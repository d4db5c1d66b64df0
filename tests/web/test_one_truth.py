"""For any usage and any question, cards, chart, models, table and export say the same, to the last digit."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.settings import Settings
from aico.features.demo.writer import replace_file
from aico.main import create_app
from tests.core.repository_on_file import copy_of_template
from tests.hypothesis_profiles import examples

QUARTER_MS = 900_000
FIRST_MS = 1_761_350_400_000  # some hours before the clocks of Europe/Paris go back in 2025
MODELS = ("moonshotai/kimi-k2.6", "z-ai/glm-5", "GLM local", None)
PAGE = 3


class Spent(TypedDict):
    """Tokens and dollars of an answer."""

    tokens_in: int
    tokens_out: int
    total_cost: float


class Entry(NamedTuple):
    """The numbers of a task in the ledger."""

    task: int
    quarter: int
    model: str | None
    tokens_in: int
    tokens_out: int
    nano: int

    def written(self) -> dict[str, object]:
        """Return the entry as Cline writes it."""
        known = {} if self.model is None else {"modelId": self.model}
        numbers = {"tokensIn": self.tokens_in, "tokensOut": self.tokens_out, "totalCost": self.nano / 10**9}
        ts = FIRST_MS + self.quarter * QUARTER_MS
        return {"id": f"17613{self.task:02}", "ts": ts, "task": "private", **numbers, **known}


ENTRIES = st.builds(
    Entry,
    task=st.integers(0, 9),
    quarter=st.integers(0, 300),
    model=st.sampled_from(MODELS),
    tokens_in=st.integers(0, 10**7),
    tokens_out=st.integers(0, 10**6),
    nano=st.one_of(st.just(0), st.integers(1, 999), st.integers(0, 10**12)),
)
HISTORIES = st.lists(
    st.lists(ENTRIES, min_size=1, max_size=8, unique_by=lambda entry: entry.task), min_size=1, max_size=4
)
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "from": st.integers(-10, 300).map(lambda quarter: str(FIRST_MS + quarter * QUARTER_MS)),
        "to": st.integers(301, 320).map(lambda quarter: str(FIRST_MS + quarter * QUARTER_MS)),
        "q": st.sampled_from(("glm", "1761300", "KIMI", "nothing")),
    },
).flatmap(
    lambda asked: st.sampled_from(({}, {"model": "z-ai/glm-5"}, {"unknown_model": "true"})).map(
        lambda model: {**asked, **model}
    )
)


def _sum(parts: Iterable[Spent]) -> tuple[int, int, Decimal]:
    """Add up exactly: an answer's dollars are the shortest text of a whole number of nano-dollars."""
    listed = list(parts)
    cost = sum((Decimal(repr(part["total_cost"])) for part in listed), Decimal(0))
    return sum(part["tokens_in"] for part in listed), sum(part["tokens_out"] for part in listed), cost


@pytest.mark.slow
@settings(max_examples=examples(0.2))
@given(history=HISTORIES, question=QUESTIONS)
def test_every_answer_to_one_filter_is_made_of_the_same_sums(
    history: list[list[Entry]], question: dict[str, str]
) -> None:
    """Random tasks that grow, shrink and change their model, and a random filter, asked over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(Path(folder).resolve(), history, question))


async def _compare(folder: Path, history: list[list[Entry]], question: dict[str, str]) -> None:
    ledger = folder / "taskHistory.json"
    (folder / "data").mkdir(mode=0o700)
    copy_of_template(folder / "data").chmod(0o600)
    app = create_app(
        Settings(ledger_path=str(ledger), database_path=folder / "data" / "observer.db", rescan_interval_s=0, tick_s=60)
    )
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8611")
    async with app.router.lifespan_context(app), client:
        standing: dict[int, Entry] = {}
        highest: dict[int, tuple[int, int, int]] = {}
        for step in history:
            standing.update({entry.task: entry for entry in step})
            for entry in step:
                before = highest.get(entry.task, (0, 0, 0))
                highest[entry.task] = (
                    max(before[0], entry.tokens_in),
                    max(before[1], entry.tokens_out),
                    max(before[2], entry.nano),
                )
            replace_file(ledger, json.dumps([entry.written() for entry in standing.values()]).encode())
            (await client.post("/api/cline/import")).raise_for_status()
        client.params = httpx.QueryParams(question)
        await _check(client, list(highest.values()) if not question else None)


async def _check(client: httpx.AsyncClient, everything: list[tuple[int, int, int]] | None) -> None:
    """Compare all answers; without a filter also with the highest that each task ever stood at."""
    summary = (await client.get("/api/cline/summary", params={"tz": "Europe/Paris"})).json()
    totals = summary["totals"]
    card = _sum([totals])
    assert _sum(summary["series"]) == card
    assert _sum(summary["by_model"]) == card
    assert summary["series"][-1]["cumulative_cost"] == totals["total_cost"]

    items: list[Spent] = []
    while True:
        page = (await client.get("/api/cline/usage", params={"limit": PAGE, "offset": len(items)})).json()
        assert page["totals"] == totals
        assert page["total"] == totals["task_count"]
        items += [item["spent"] for item in page["items"]]
        if not page["items"]:
            break
    assert len(items) == totals["task_count"]
    assert _sum(items) == card

    exported = (await client.get("/api/cline/export", params={"format": "json"})).json()
    assert len(exported) == totals["task_count"]
    assert _sum(_spent(row) for row in exported) == card
    for dialect, delimiter in (("standard", ","), ("excel-fr", ";")):
        answer = await client.get("/api/cline/export", params={"format": "csv", "dialect": dialect})
        rows = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=delimiter)
        assert sum((Decimal(row["spent_total_cost"].replace(",", ".")) for row in rows), Decimal(0)) == card[2]

    if everything is not None:
        tokens_in, tokens_out, nano = (sum(numbers) for numbers in zip(*everything, strict=True))
        assert card == (tokens_in, tokens_out, Decimal(nano) / 10**9)


def _spent(row: dict[str, object]) -> Spent:
    return cast("Spent", {name: row[f"spent_{name}"] for name in ("tokens_in", "tokens_out", "total_cost")})
