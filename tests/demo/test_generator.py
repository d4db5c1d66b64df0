"""The made-up ledger looks like a real one."""

from __future__ import annotations

import json
from statistics import fmean, median

from aico.features.demo.entry import LedgerEntry
from aico.features.demo.generator import LedgerGenerator
from aico.features.demo.hours import DAY_MS
from aico.features.demo.js_json import stringify
from aico.features.demo.prices import MODELS
from aico.features.demo.texts import CANARY_PREFIX
from tests.emulator.harsh_ledger import cut_inside_emoji
from tests.emulator.ledger_truth import PRIVATE_KEYS, Task, true_usage, usage_of

NOW_MS = 1_772_000_000_000
KEYS = list(LedgerEntry.__annotations__)


def entries_of(count: int, seed: int = 1) -> list[LedgerEntry]:
    """Return entries of the last 90 days before ``NOW_MS``."""
    return LedgerGenerator(seed, NOW_MS).entries(count)


def test_generator_repeats_itself_for_the_same_seed() -> None:
    """The same seed gives the same bytes, another seed others."""
    assert stringify(entries_of(200)) == stringify(entries_of(200))
    assert stringify(entries_of(200)) != stringify(entries_of(200, seed=2))


def test_generator_writes_about_870_bytes_an_entry() -> None:
    """The size on which every figure rests, prompts included, and its heavy tail."""
    sizes = sorted(len(stringify(entry)) for entry in entries_of(3000))
    assert 780 < fmean(sizes) < 960
    assert sizes[-1] > 8 * median(sizes)


def test_generator_text_parses_back_to_the_same_entries() -> None:
    """Nothing is lost on the way through JSON, half an emoji included."""
    generator = LedgerGenerator(5, NOW_MS)
    entries = [cut_inside_emoji(generator.rng, entry) for entry in generator.entries(500)]
    assert json.loads(stringify(entries)) == entries
    assert b"\\ud83d" in stringify(entries)


def test_generator_uses_every_documented_key_in_the_order_of_cline() -> None:
    """Every key occurs, optional ones are absent rather than null, and the order never varies."""
    entries = entries_of(2000)
    assert {key for entry in entries for key in entry} == set(KEYS)
    assert all(list(entry) == [key for key in KEYS if key in entry] for entry in entries)
    assert all(value is not None for entry in entries for value in entry.values())


def test_generator_puts_a_canary_into_every_private_text() -> None:
    """Wherever a private text leaks, a search for one prefix finds it."""
    entries = entries_of(500)
    private = [str(value) for entry in entries for key, value in entry.items() if key in PRIVATE_KEYS]
    public = [str(value) for entry in entries for key, value in entry.items() if key not in PRIVATE_KEYS]
    assert all(CANARY_PREFIX in text for text in private)
    assert not any(CANARY_PREFIX in text for text in public)


def test_generator_draws_ids_and_times_of_the_period() -> None:
    """Ids are start times in order, unique, 13 digits; no activity lies before its start or in the future."""
    entries = entries_of(2000)
    ids = [entry["id"] for entry in entries]
    assert ids == sorted(set(ids))
    assert all(len(task_id) == 13 for task_id in ids)
    assert all(NOW_MS - 91 * DAY_MS < int(entry["id"]) <= entry["ts"] <= NOW_MS for entry in entries)


def test_generator_works_in_office_hours() -> None:
    """Most tasks begin between 7 and 19 o'clock of UTC, few at the weekend."""
    entries = entries_of(2000)
    starts_ms = [int(entry["id"]) for entry in entries]
    office = sum(7 <= at_ms // 3_600_000 % 24 < 19 for at_ms in starts_ms)
    weekend = sum((at_ms // DAY_MS + 3) % 7 >= 5 for at_ms in starts_ms)
    assert office > 0.75 * len(entries)
    assert 0 < weekend < 0.2 * len(entries)


def test_generator_finds_a_time_when_nobody_would_work() -> None:
    """A ledger of one day, asked for on a Sunday night, still has its entries in that day."""
    sunday_night_ms = 1_772_330_400_000
    entries = LedgerGenerator(1, sunday_night_ms, days=1).entries(200)
    assert all(sunday_night_ms - DAY_MS <= int(entry["id"]) <= sunday_night_ms for entry in entries)


def test_generator_adds_costs_up_with_float_noise() -> None:
    """Costs come from additions, so many have more digits than any price; they are heavy-tailed."""
    costs = [entry["totalCost"] for entry in entries_of(2000)]
    noisy = [cost for cost in costs if len(repr(cost)) > 15]
    assert len(noisy) > 0.2 * len(costs)
    assert max(costs) > 50 * median(costs)


def test_generator_knows_unpriced_and_unknown_models() -> None:
    """Some models cost 0 although they spend tokens; some entries have no model, some a blank one."""
    entries = entries_of(2000)
    unpriced = {model.model_id for model in MODELS if model.price_out == 0}
    costs = {entry.get("modelId", ""): entry["totalCost"] for entry in entries}
    assert all(costs[model_id] == 0 for model_id in unpriced)
    assert all(costs[model.model_id] > 0 for model in MODELS if model.model_id not in unpriced)
    assert any("modelId" not in entry for entry in entries)
    assert any(entry.get("modelId") == "" for entry in entries)


def test_generator_begins_a_task_without_tokens_and_model() -> None:
    """Before the first reply a task has spent nothing."""
    usage = usage_of(LedgerGenerator(1, NOW_MS).begin(NOW_MS))
    assert usage == Task(str(NOW_MS), NOW_MS, None, 0, 0, 0.0)


def test_generator_never_gives_an_id_twice() -> None:
    """Two tasks of the same millisecond get ids one apart."""
    generator = LedgerGenerator(1, NOW_MS)
    assert [generator.begin(NOW_MS)["id"] for _ in range(2)] == [str(NOW_MS), str(NOW_MS + 1)]


def test_true_usage_lets_the_greatest_ts_win_and_then_the_later_entry() -> None:
    """Of two entries with one id the greater ``ts`` counts, at equal ``ts`` the later in the array."""
    base = LedgerGenerator(1, NOW_MS).begin(NOW_MS)
    older: LedgerEntry = {**base, "ts": base["ts"] - 1, "tokensIn": 1}
    later: LedgerEntry = {**base, "tokensIn": 2}
    assert true_usage([base, older])[base["id"]].tokens_in == 0
    assert true_usage([base, older, later])[base["id"]].tokens_in == 2
