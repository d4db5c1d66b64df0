"""The cost of an invented home of Claude Code: by hand, as stored, and by viewers that know one price of writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.features.pricing.price_list import GenaiPriceList
from bench.fake_claude_home import FakeClaudeHome, Sums
from tests.core.repository_on_file import read_rows
from tests.sources.claude_code.transcript_driver import home_of

# Dollars a million: input, cache reads, writes of five minutes, of an hour, output. No request reaches a tier.
HAND = {
    "claude-opus-4-8": (5.0, 0.5, 6.25, 10.0, 25.0),
    "claude-sonnet-4-5": (3.0, 0.3, 3.75, 6.0, 15.0),
    "claude-haiku-5-5": (0.1, 0.01, 0.125, 0.2, 0.5),
}


def nano_of(model: str, sums: Sums, *, knows_hours: bool) -> int:
    """Return nano-dollars by the table; without ``knows_hours`` writes of an hour cost what shorter ones do."""
    sent, read, short, long, output = (round(1_000 * usd) for usd in HAND[model])
    writes = sums.cache_write_5m * short + sums.cache_write_1h * (long if knows_hours else short)
    return sums.input * sent + sums.cache_read * read + writes + sums.output * output


@pytest.mark.slow
async def test_writes_of_an_hour_are_a_twelfth_of_what_a_home_costs(tmp_path: Path) -> None:
    """The stored value is that of the hand, to the nano-dollar; with one price of writes it would be 8.4 % too low."""
    home = FakeClaudeHome(tmp_path, 1, folder_count=3, seed=1)
    home.write()
    async with home_of(home.projects) as read:
        read.store.pricer = GenaiPriceList()
        read.store.forget_what_is_known()
        await read.read()
        [(stored,)] = read_rows(
            read.store.path, "SELECT SUM(listed_usd) * 1000000000 + SUM(listed_nano) FROM usage_total"
        )
    whole, without = (
        sum(nano_of(key.model, sums, knows_hours=knows) for key, sums in home.truth.items()) for knows in (True, False)
    )
    assert stored == whole
    assert round(100 * (1 - without / whole), 1) == 8.4
