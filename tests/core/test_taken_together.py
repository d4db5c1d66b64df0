"""New events whose sums follow together come to the same as events whose sums follow at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.booking import Books, EventEntry, SessionEntry
from aico.core.db import writer
from aico.core.db.database import Database
from aico.core.db.writer import Batch, UsageWriter
from aico.core.own_prices import OwnPrice
from aico.core.pricing import ListPrice, PriceRef
from aico.core.usage import PromptSeen, ReadingCounts, RequestState, Tokens, Trigger, UsageEvent, digest
from tests.core.repository_on_file import NOW_MS, temporary_database
from tests.core.test_first_readings import read_tables
from tests.hypothesis_profiles import examples

SLOT_MS = 900_000
Said = UsageEvent | PromptSeen
COUNTS = st.sampled_from([None, 0, 1, 7, 40])
REQUESTS = st.builds(
    UsageEvent,
    key=st.sampled_from([digest(number) for number in range(5)]),
    session=st.sampled_from(["s0", "s1", "s2"]),
    ts=st.sampled_from([NOW_MS - number * SLOT_MS // 2 for number in range(5)]),
    model=st.sampled_from([None, "m", "cheap"]),
    tokens=st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    recorded_nano=st.sampled_from([None, None, 5, 9]),
    state=st.sampled_from(RequestState),
    parent=st.sampled_from([None, "s0"]),
    unknown=st.sampled_from([(), ("output_tokens",)]),
    context=st.sampled_from(["", "fast", "geo-us"]),
    claim=st.sampled_from([None, 0, 1]),
    former_key=st.none(),
    is_bare=st.just(value=False),
    near_ms=st.none(),
)
PROMPTS = st.builds(
    PromptSeen,
    key=st.sampled_from([digest("prompt", number) for number in range(3)]),
    session=st.sampled_from(["s0", "s1"]),
    ts=st.sampled_from([NOW_MS - number * SLOT_MS // 2 for number in range(5)]),
    model=st.sampled_from([None, "m"]),
    parent=st.none(),
    claim=st.sampled_from([None, 0, 1]),
)


class TokenPrices:
    """A list that knows all models but one, and no context."""

    name = "tests 1"

    def price(self, model: str, ts: int, context: str, tokens: Tokens) -> ListPrice | None:
        """Return one nano-dollar more for each token of a kind than of the kind before it, and one for the hour."""
        if model not in {"m", "cheap"} or context:
            return None
        nano = sum(place * (count or 0) for place, count in enumerate(tokens, start=1)) + ts // 3_600_000 % 24
        return ListPrice(nano, PriceRef(self.name, f"maker/{model}"))

    def price_many(
        self, model: str, context: str, moments: Sequence[int], many: Sequence[Tokens]
    ) -> tuple[PriceRef | None, list[int | None]]:
        """Return :meth:`price` of each."""
        found = [self.price(model, ts, context, tokens) for ts, tokens in zip(moments, many, strict=True)]
        refs = [each.ref for each in found if each is not None]
        return (refs[0] if refs else None), [None if each is None else each.nano for each in found]

    def let_go(self) -> None:
        """Do nothing: there is nothing to give back."""


class PostingAtOnce(Books):
    """Books whose sums follow each new event, before anything else is taken."""

    def _make(self, event: EventEntry, session: SessionEntry) -> None:
        super()._make(event, session)
        self._post_new()


async def read_stored(
    books: type[Books], batches: Sequence[Sequence[Said]], own: Sequence[OwnPrice]
) -> dict[str, list[dict[str, object]]]:
    """Return the tables that come of ``batches``; a total over nothing is none."""
    with temporary_database() as path, patch.object(writer, "Books", books):
        database = Database(path)
        await database.open()
        try:
            store = UsageWriter(database, lambda: NOW_MS, TokenPrices(), fixed_prices=own)
            for records in batches:
                await store.apply(Batch("claude-code", "projects", "projects", records, ReadingCounts(Trigger.WATCH)))
        finally:
            await database.close()
        tables = read_tables(path)
    for event in tables["events"]:
        # Its number follows the order of pricing.
        event["price_ref"] = event["price_ref"] is not None
    tables["totals"] = [row for row in tables["totals"] if any(row[name] for name in row.keys() - {"name", "source"})]
    return tables


@pytest.mark.slow
@settings(max_examples=examples(0.5))
@given(batches=st.lists(st.lists(st.one_of(REQUESTS, PROMPTS), max_size=8), max_size=2), is_own=st.booleans())
def test_sums_that_follow_together_are_those_that_follow_at_once(batches: list[list[Said]], *, is_own: bool) -> None:
    """Events that move and get better after they were made, with a list's prices, and with one of the user's own."""
    own = [OwnPrice("cheap", 0, *([1_000_000] * (len(OwnPrice._fields) - 2)))] if is_own else []
    together = asyncio.run(read_stored(Books, batches, own))
    assert together == asyncio.run(read_stored(PostingAtOnce, batches, own))
