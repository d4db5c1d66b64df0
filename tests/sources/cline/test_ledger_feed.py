"""The ledger as an origin of Cline's: its feed, its errors, and what a large one costs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from unittest.mock import patch

import pytest

from aico.core.errors import (
    LedgerError,
    LedgerFormat,
    LedgerNotFound,
    LedgerPathRefused,
    LedgerTooLarge,
    LedgerUnstable,
)
from aico.core.usage import MeterReading, RejectionCode, Trigger
from aico.features.files import whole_file as whole_file_module
from aico.features.files.snapshot import read_snapshot
from aico.features.sources.cline import LEDGER, SOURCE
from aico.features.sources.cline import ledger as ledger_module
from aico.features.sources.cline.pieces import cut
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.emulator.fake_cline_process import ClineProcess
from tests.emulator.ways_of_writing import ALL_WAYS
from tests.quick_variants import first_row_is_quick
from tests.sources.cline.ledgers import CANARY, GOOD, LedgerFile, entry, entry_of, ledger, ledger_of, rejections, tasks
from tests.sources.feeds import FeedDriver, entry_count, open_feed

UPDATES = 150


@pytest.fixture
def driver(file: LedgerFile) -> FeedDriver:
    """Return the driver of the ledger's feed."""
    return FeedDriver(open_feed(LEDGER, file.path))


async def test_ledger_is_read_newest_first_with_every_entry_counted(file: LedgerFile, driver: FeedDriver) -> None:
    """Records, duplicates and refused entries are the entries of the file; partial ones are told beside."""
    usages = tasks(5)
    older = entry_of(usages[0]._replace(ts=1_700_000_000_000))
    file.write(ledger(*map(entry_of, usages), older, b"null", entry(id='"part"', ts="0", tokensIn="-1")))
    reading = await driver.take_in()
    part = GOOD._replace(session="part", started_ts=None, ts=None, input=None, unknown=("tokensIn",))
    assert list(reading.records) == [*usages[::-1], part]
    assert (reading.counts.skipped_count, reading.counts.partial_count) == (1, 1)
    assert reading.counts.rejections == rejections((6, RejectionCode.NOT_AN_OBJECT, None))
    assert reading.counts.partials == rejections((7, RejectionCode.NEGATIVE, "tokensIn"))
    assert entry_count(reading) == 8


async def test_field_that_becomes_usable_is_a_change(file: LedgerFile, driver: FeedDriver) -> None:
    """An unknown number and 0 are two states of an entry."""
    for text in ("null", "0", '"x"', "0.5"):
        file.write(ledger(entry(totalCost=text)))
        (record,) = (await driver.take_in()).records
        assert isinstance(record, MeterReading)
        assert record.cost_usd == {"0": 0.0, "0.5": 0.5}.get(text)


async def test_grown_entry_of_a_large_ledger_is_told_beside_pieces_that_are_known(
    file: LedgerFile, driver: FeedDriver
) -> None:
    """Most of the file is not parsed again, but every entry is counted, and one that fell out is not missed."""
    usages = tasks(600)
    prompt = f'"{CANARY}{"x" * 1_500}"'.encode()

    def write() -> None:
        data = ledger(*(entry_of(usage).replace(f'"{CANARY}"'.encode(), prompt) for usage in usages))
        assert len(cut(bytearray(data))) > 3
        file.write(data)

    write()
    await driver.take_in()
    usages[300] = usages[300]._replace(input=1)
    write()
    with patch.object(ledger_module, "_read_at_once", wraps=ledger_module._read_at_once) as parsing:
        reading = await driver.take_in()
    assert parsing.call_count == 1
    assert list(reading.records) == [usages[300]]
    assert entry_count(reading) == 600
    del usages[10]
    write()
    reading = await driver.take_in()
    assert (list(reading.records), entry_count(reading)) == ([], 599)


async def test_large_ledger_whose_pieces_do_not_stand_by_themselves_is_read_once_more(
    file: LedgerFile, driver: FeedDriver
) -> None:
    """Its first pieces are given back while the later ones are parsed; what looks like a cut is seen only then."""
    usages = tasks(30)
    long = b'"' + b"x" * (100 << 10) + b'"'
    whole = [entry_of(each).replace(b'"CANARY-prompt"', long) for each in usages]
    nested = entry(id='"nest"', more="[" + ",".join('{"id":"x"}' for _ in range(60_000)) + "]")
    file.write(ledger(*whole, nested))
    with patch.object(whole_file_module, "read_snapshot", wraps=read_snapshot) as reading:
        told = await driver.take_in()
    assert reading.call_count == 2
    assert len(told.records) == entry_count(told) == 31


async def test_damaged_entries_of_a_large_ledger_cost_one_reading(file: LedgerFile, driver: FeedDriver) -> None:
    """A cut prompt and a number that is none are mended in their piece, and known with it afterwards."""
    usages = tasks(600)
    elements = [entry_of(each).replace(b'"CANARY-prompt"', b'"' + b"x" * 1_500 + b'"') for each in usages]
    elements[100] = entry(id='"cut"', task='"\\ud83d"')
    elements[500] = entry(id='"part"', totalCost="NaN")
    file.write(ledger(*elements))
    with patch.object(whole_file_module, "read_snapshot", wraps=read_snapshot) as reading:
        first = await driver.take_in()
        elements[0] = elements[0].replace(b"xx", b"yx", 1)
        file.write(ledger(*elements))
        again = await driver.take_in()
    assert reading.call_count == 2
    assert (len(first.records), len(again.records), entry_count(again)) == (600, 0, 600)
    assert first.counts.partials == again.counts.partials == rejections((500, RejectionCode.NOT_FINITE, "totalCost"))
    assert again.counts.partial_count == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (None, LedgerNotFound),
        (b"{}", LedgerFormat),
        (b"[]" + b" " * 1_000, LedgerTooLarge),
        ("link", LedgerPathRefused),
    ],
)
async def test_ledger_keeps_its_own_errors(
    file: LedgerFile, data: bytes | str | None, error: type[LedgerError]
) -> None:
    """Codes of the ledger are what they always were, and say whose they are."""
    if isinstance(data, bytes):
        file.write(data)
    elif data:
        file.path.symlink_to(file.path.with_name("elsewhere"))
    with pytest.raises(error) as caught:
        await open_feed(LEDGER, file.path, read_attempts=1, max_bytes=1_000).read(Trigger.CLI)
    assert (caught.value.source, caught.value.origin) == (SOURCE.id, LEDGER.id)
    assert caught.value.code.startswith("ledger_")


def numbers_of(record: object) -> tuple[object, ...]:
    """Return what the emulator expects of a task: session, ts, model, tokens in and out, cost."""
    assert isinstance(record, MeterReading)
    return (record.session, record.ts, record.model, record.input, record.output, record.cost_usd)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), first_row_is_quick((11, 30), (11, UPDATES), (12, UPDATES)))
async def test_taken_in_is_what_cline_wrote_after_every_update(file: LedgerFile, seed: int, count: int) -> None:
    """Through many updates in all of Cline's ways nothing is lost, nothing invented, and every entry is counted."""
    driver = FeedDriver(open_feed(LEDGER, file.path, now_ms=lambda: time.time_ns() // 1_000_000))
    with ClineProcess(
        file.path,
        seed=seed,
        task_count=40,
        broken_count=len(BROKEN_ENTRIES),
        duplicate_count=4,
        surrogates=True,
        neighbours=True,
    ) as cline:
        updates = [cline.updates[0]]
        for number in range(count + 1):
            reading = await driver.take_in()
            assert entry_count(reading) == updates[-1].entry_count
            whole = {key: record for key, record in driver.stored.items() if not str(key).startswith("broken-")}
            assert {key: numbers_of(record) for key, record in whole.items()} == {
                key: tuple(usage) for key, usage in cline.expected.items()
            }
            if number < count:
                updates += await asyncio.to_thread(cline.step)


@pytest.mark.slow
async def test_feed_that_missed_updates_converges_after_the_last(file: LedgerFile) -> None:
    """Readings beside a Cline that writes all the time come late and skip states; one after it rests has everything."""
    driver = FeedDriver(open_feed(LEDGER, file.path, now_ms=lambda: time.time_ns() // 1_000_000))
    with ClineProcess(file.path, seed=21, task_count=40, duplicate_count=2, surrogates=True, ways=ALL_WAYS) as cline:
        writing = asyncio.create_task(asyncio.to_thread(cline.step, UPDATES))
        while not writing.done():
            # A file that is never whole while the reader has patience is refused as such, and looked at again.
            with contextlib.suppress(LedgerUnstable):
                await driver.take_in()
        await writing
        await asyncio.to_thread(cline.settle)
        await driver.take_in()
        assert {key: numbers_of(record) for key, record in driver.stored.items()} == {
            key: tuple(usage) for key, usage in cline.expected.items()
        }


async def test_what_is_remembered_of_a_task_is_small(file: LedgerFile, driver: FeedDriver) -> None:
    """Beside its key a task costs one number: a hundred thousand tasks take less than 20 MB."""
    file.write(ledger_of(*tasks(100)))
    await driver.take_in()
    remembered = driver.feed._known  # type: ignore[attr-defined]
    assert {type(sign) for sign in remembered.values()} == {int}
    assert max(map(sys.getsizeof, remembered.values())) <= 40
