"""The library of prices is imported when the first request is priced, and never fetches anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.repository_on_file import copy_of_template
from tests.house.test_imports import run

LOADED = """
print("loaded", "genai_prices" in sys.modules)
"""
HELD = """
import gc
from genai_prices.types import ModelInfo
gc.unfreeze()
print(sum(isinstance(each, ModelInfo) for each in gc.get_objects()), "genai_prices.data" in sys.modules)
"""
STATUS = """
import sys
from aico.cli import main
main(["status"])
"""
SERVICE = """
import asyncio, sys
from pathlib import Path
from aico.core.db.writer import Batch
from aico.core.settings import Settings
from aico.core.usage import MeterReading, ReadingCounts, Tokens, Trigger, UsageEvent
from aico.services.service import ObserverService
records = {
    "meters": [MeterReading("s", 1, "claude-opus-4-8", 1, 0, 0, 0, 1, None, None)],
    "requests": [UsageEvent(bytes(16), "s", 1, "claude-opus-4-8", Tokens(1, 0, 0, 0, 1))],
}
async def live():
    settings = Settings.model_validate(
        {"database_path": Path(sys.argv[1]), "ledger_path": str(Path(sys.argv[1]).parent / "taskHistory.json")}
    )
    service = ObserverService(settings, "1", lambda: 1_790_000_000_000)
    async with service.run():
        # What begins with the service, to its end.
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "pricing"))
        await service.writer.apply(Batch("tool", "log", "log", records[sys.argv[2]], ReadingCounts(Trigger.WATCH)))
asyncio.run(live())
"""
NO_NETWORK = """
import socket, sys, threading
def refuse(*_arguments, **_more):
    raise AssertionError("somebody reaches for the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from aico.core.usage import Tokens
from aico.features.pricing.price_list import GenaiPriceList
price = GenaiPriceList().price("claude-opus-4-8", 1_790_000_000_000, "", Tokens(1_000_000, 0, 0, 0, 0))
print(price.nano, threading.active_count())
"""


def test_status_loads_no_prices(tmp_path: Path) -> None:
    """``aico status`` has no use for prices."""
    assert run(["-c", STATUS + LOADED], tmp_path).splitlines()[-1] == "loaded False"


@pytest.mark.slow
def test_service_that_reads_only_running_totals_loads_no_prices(tmp_path: Path) -> None:
    """Neither its start nor a meter takes the time and memory of the list."""
    path = copy_of_template(tmp_path)
    assert run(["-c", SERVICE + LOADED, str(path), "meters"], tmp_path).splitlines()[-1] == "loaded False"


@pytest.mark.slow
def test_service_loads_prices_with_the_first_request(tmp_path: Path) -> None:
    """As soon as a request comes, the list is there."""
    path = copy_of_template(tmp_path)
    assert run(["-c", SERVICE + LOADED, str(path), "requests"], tmp_path).splitlines()[-1] == "loaded True"


@pytest.mark.slow
def test_service_keeps_nothing_of_the_list_after_a_transaction(tmp_path: Path) -> None:
    """Its two thousand entries are 4 MB; a price for a model that was seen needs none of them."""
    path = copy_of_template(tmp_path)
    assert run(["-c", SERVICE + HELD, str(path), "requests"], tmp_path).splitlines()[-1] == "0 False"


def test_pricing_reaches_for_no_network_and_starts_nothing(tmp_path: Path) -> None:
    """The list is embedded: no address is looked up, nothing is connected to, and no thread is left running."""
    assert run(["-c", NO_NETWORK], tmp_path).splitlines()[-1] == "5000000000 1"
