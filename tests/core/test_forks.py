"""A fork's total begins with that of the session that it was forked from, and counts once."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from aico.core.db.upkeep.forgetting import forget
from aico.core.usage import MeterReading
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import NOW_MS, Store, copy_of_template, open_store, read_rows, usage


def session(key: str, total: int, parent: str | None = None, ts: int = NOW_MS) -> MeterReading:
    """Return a session at ``total`` dollars, with a hundred tokens for each, and ten of output."""
    reading = usage(key, ts=ts, tokens_in=100 * total, tokens_out=10 * total, total_cost=float(total))
    return reading._replace(forked_from=parent)


def spent(store: Store) -> dict[str, float]:
    """Return what each session has spent, in dollars."""
    statement = """
        SELECT s.key, SUM(d.recorded_usd), SUM(d.input), SUM(d.output) FROM session AS s
        LEFT JOIN usage_session_day AS d ON d.session = s.id GROUP BY s.key
    """
    rows = read_rows(store.path, statement)
    assert all((tokens or 0, output or 0) == (100 * (usd or 0), 10 * (usd or 0)) for _, usd, tokens, output in rows)
    return {str(key): float(usd or 0) for key, usd, *_ in rows}


async def test_fork_counts_what_it_adds_to_the_other_session(store: Store) -> None:
    """As the real tool writes it: the same total at once, then on from there; a fork of a fork likewise."""
    await store.take_in([session("a", 3)], "sessions")
    await store.take_in([session("b", 3, "a")], "sessions")
    assert spent(store) == {"a": 3, "b": 0}
    await store.take_in([session("b", 5, "a")], "sessions")
    await store.take_in([session("c", 5, "b"), session("a", 4)], "sessions")
    await store.take_in([session("c", 6, "b"), session("b", 7, "a")], "sessions")
    assert spent(store) == {"a": 4, "b": 4, "c": 1}
    # Also told by another origin of the same meter, which names no fork.
    await store.take_in([session("c", 8)], "hub")
    assert spent(store)["c"] == 3
    assert read_rows(store.path, "SELECT task_id, total_cost FROM cline_task_usage ORDER BY 1")[0] == ("a", 4.0)
    assert failed_checks(store.path) == []


@pytest.mark.parametrize("many", [0, 300])
async def test_forks_of_a_first_reading_count_once(store: Store, many: int) -> None:
    """All in one batch, be they few or many."""
    others = [session(f"o{number}", 1) for number in range(many)]
    await store.take_in([session("a", 3), *others, session("b", 5, "a"), session("c", 9, "b")], "sessions")
    assert {key: usd for key, usd in spent(store).items() if not key.startswith("o")} == {"a": 3, "b": 2, "c": 4}
    await store.take_in([session("a", 3), session("b", 6, "a"), session("c", 9, "b")], "sessions")
    assert spent(store)["b"] == 3
    assert failed_checks(store.path) == []


async def test_fork_of_a_session_that_went_on_is_never_too_much(store: Store) -> None:
    """The other one's usage after the fork is not known apart, if nobody watched: the sum may lack it."""
    await store.take_in([session("a", 8), session("b", 5, "a")], "sessions")
    assert spent(store) == {"a": 8, "b": 0}
    await store.take_in([session("b", 6, "a")], "sessions")
    assert spent(store) == {"a": 8, "b": 1}


async def test_fork_of_nothing_that_is_known_says_so(store: Store) -> None:
    """All that it states is counted, and the row tells that a part is not known to be its own."""
    for total in (5, 6):
        await store.take_in([session("b", total, "gone")], "sessions")
        assert (spent(store), read_rows(store.path, "SELECT unknown FROM meter")) == ({"b": total}, [("fork",)])


async def test_fork_brings_nothing_back_that_was_forgotten(tmp_path: Path) -> None:
    """The total of a fork at its first sight may be all of the forgotten session."""
    path = copy_of_template(tmp_path)
    path.chmod(0o600)
    async with open_store(path) as store:
        await store.take_in([session("a", 3)], "sessions")
    forget(path, "cline", ["a"], NOW_MS)
    async with open_store(path) as store:
        await store.take_in([session("b", 5, "a")], "sessions")
        await store.take_in([session("b", 6, "a")], "sessions")
        assert spent(store) == {"b": 1}
    forget(path, "cline", ["b"], NOW_MS)
    assert read_rows(path, "SELECT COUNT(*) FROM inherited") == [(0,)]
    assert failed_checks(path) == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_batches_of_any_order_never_count_less_than_was_spent(store: Store, order: tuple[int, ...]) -> None:
    """Parents first, as the reader hands them over, is exact."""
    batches = [session("a", 3), session("b", 5, "a"), session("c", 9, "b")]
    for number in order:
        await store.take_in([batches[number]], "sessions")
    assert sum(spent(store).values()) >= 9
    if order == (0, 1, 2):
        assert spent(store) == {"a": 3, "b": 2, "c": 4}
