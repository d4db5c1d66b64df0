"""``aico price``: the user's own prices, what a model would be priced at, and a newer list beside the stored prices."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

from aico import __version__
from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.price_lines import OwnPriced, change_line, describe_prices, describe_review, describe_test, undo_line
from aico.cli.screen import Screen
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.db import questions as sql
from aico.core.db.upkeep.inspection import check_present
from aico.core.errors import InstanceRunning, StorageAbsent
from aico.core.instance_lock import InstanceLock
from aico.core.own_prices import KINDS, check_pattern, price_of, usd_of
from aico.core.settings import Settings
from aico.core.units import NANO
from aico.proxy.running_service import RunningService
from aico.services.price_shapes import PriceOut, PriceTestOut, ReviewOut
from aico.services.prices import ListedPrice
from aico.services.service import ObserverService

T = TypeVar("T")
_POLL_S = 0.2
_TELL_S = 2.0
"""So long nothing is said of how far stored usage has its new prices."""


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says.

    Raises SettingsError, StorageError, RequestRefused, ServiceRefusal.
    """
    actions = {"set": _set, "list": _list, "remove": _remove, "test": _test, "review": _review}
    return actions[options.action](options, load(options).settings)


def _set(options: argparse.Namespace, settings: Settings) -> int:
    try:
        price = price_of(options.model, options.from_, {kind: getattr(options, kind) for kind in KINDS})
    except ValueError as error:
        place, _, reason = str(error).rpartition(": ")
        option = f"--{place.replace('_', '-')}" if place else "MODEL or --from"
        complain(f"aico price set: {option} {reason}")
        return EXIT_USAGE
    body: dict[str, object] = {kind: usd_of(getattr(price, kind)) for kind in KINDS} | {
        "valid_from": _written(options.from_)
    }
    before = _find_owned(settings)
    change(
        settings,
        lambda service: service.prices.set(price),
        lambda running: running.set_price(price.model, body),
    )
    told, screen = PriceOut.of(ListedPrice(price, is_fixed=False)), Screen.of_output()
    replaced = next((PriceOut.of(each) for each in before.prices if each.price.key == price.key), None)
    say(*describe_prices([told], screen))
    say(change_line(before.priced, _find_owned(settings).priced), undo_line(told, replaced, screen))
    return EXIT_OK


def _remove(options: argparse.Namespace, settings: Settings) -> int:
    model = _pattern(options.model)
    if model is None:
        return EXIT_USAGE
    day: date | None = options.from_
    before = _find_owned(settings)
    change(
        settings,
        lambda service: service.prices.remove(model, day, is_any_day=day is None),
        lambda running: running.remove_price(model, _written(day)),
    )
    say(f"Removed: {model}.", change_line(before.priced, _find_owned(settings).priced))
    return EXIT_OK


def _list(options: argparse.Namespace, settings: Settings) -> int:
    async def read(service: ObserverService) -> tuple[list[ListedPrice], dict[str, int]]:
        async with service.reader.snapshot() as snapshot:
            unpriced = {str(model): int(count) for model, count in await snapshot.ask(sql.WITHOUT_PRICE)}
        return await service.prices.list_all(), unpriced

    fixed = [ListedPrice(price.to_price(), is_fixed=True) for price in settings.prices]
    nothing: tuple[list[ListedPrice], dict[str, int]] = (fixed, {})
    listed, unpriced = look(settings, read, nothing)
    prices = [PriceOut.of(each) for each in listed]
    if options.json:
        say(json.dumps([price.model_dump(mode="json") for price in prices]))
    else:
        say(*describe_prices(prices, Screen.of_output(), unpriced))
    return EXIT_OK


def _test(options: argparse.Namespace, settings: Settings) -> int:
    model = options.model.strip()
    service = ObserverService(settings, __version__, now_ms)
    answer = look(settings, lambda opened: opened.prices.test(model), None)
    # Without a database the file's prices are all there are.
    answer = answer or service.prices.answer(
        model, [ListedPrice(each.to_price(), is_fixed=True) for each in settings.prices]
    )
    told = PriceTestOut.of(answer)
    say(json.dumps(told.model_dump(mode="json"))) if options.json else say(*describe_test(told, Screen.of_output()))
    return EXIT_OK


def _review(options: argparse.Namespace, settings: Settings) -> int:
    found = look(settings, lambda service: service.prices.review(), None)
    if found is None:
        raise StorageAbsent(str(settings.database_path))
    review = ReviewOut.of(found)
    if options.apply and review.requests:
        change(settings, lambda service: service.prices.begin_review(), lambda running: running.apply_review())
    if options.json:
        say(json.dumps(review.model_dump(mode="json")))
    else:
        say(*describe_review(review, Screen.of_output(), is_applied=bool(options.apply)))
    return EXIT_OK


def change(
    settings: Settings,
    change: Callable[[ObserverService], Awaitable[None]],
    ask: Callable[[RunningService], Awaitable[object]],
) -> None:
    """Change prices and bring them to stored usage, by the service if one runs. Raises InstanceRunning."""
    lock = InstanceLock(settings.database_path)
    try:
        lock.acquire()
    except InstanceRunning as running:
        if running.url is None:
            raise
        token = settings.token.get_secret_value() if settings.token else None
        asyncio.run(_ask(RunningService(running.url, token), ask))
    else:
        try:
            asyncio.run(_do(settings, change))
        finally:
            lock.release()


async def _ask(running: RunningService, ask: Callable[[RunningService], Awaitable[object]]) -> None:
    await ask(running)
    told_at = time.monotonic()
    while (progress := await running.find_pricing()) is not None:
        told_at = _tell(progress, told_at)
        await asyncio.sleep(_POLL_S)


async def _do(settings: Settings, change: Callable[[ObserverService], Awaitable[None]]) -> None:
    async with _opened(settings) as service:
        await service.database.open()
        await change(service)
        applying = asyncio.create_task(service.prices.apply())
        told_at = time.monotonic()
        while not (await asyncio.wait({applying}, timeout=_POLL_S))[0]:
            if service.prices.progress is not None:
                told_at = _tell(service.prices.progress, told_at)
        await applying


def _tell(progress: tuple[int, int], told_at: float) -> float:
    """Say how far it is, if nothing was said for a while; return when something was said last."""
    now = time.monotonic()
    if now < told_at + _TELL_S:
        return told_at
    done, total = progress
    complain(f"{100 * done // max(1, total)} % of the stored requests")
    return now


def look(settings: Settings, read: Callable[[ObserverService], Awaitable[T]], nothing: T) -> T:
    """Return the result of ``read`` for the database; ``nothing`` if there is none. Raises StorageError."""

    async def read_all() -> T:
        async with _opened(settings) as service:
            service.database.only_look()
            if not await asyncio.to_thread(_is_stored, settings.database_path):
                return nothing
            return await read(service)

    return asyncio.run(read_all())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[ObserverService]:
    service = ObserverService(settings, __version__, now_ms)
    try:
        yield service
    finally:
        await service.database.close()


def _is_stored(path: Path) -> bool:
    try:
        check_present(path)
    except StorageAbsent:
        return False
    return True


class _Owned(NamedTuple):
    """The own prices, and the stored usage of models at them and at list prices."""

    prices: list[ListedPrice]
    priced: dict[str, OwnPriced]
    """By model."""


def _find_owned(settings: Settings) -> _Owned:
    async def read(service: ObserverService) -> _Owned:
        async with service.reader.snapshot() as snapshot:
            rows = await snapshot.ask(sql.OWN_PRICED)
        priced = {
            model: OwnPriced(count, (usd or 0) * NANO + (nano or 0), unpriced)
            for model, count, usd, nano, unpriced in rows
        }
        return _Owned(await service.prices.list_all(), priced)

    return look(settings, read, _Owned([], {}))


def _pattern(text: str) -> str | None:
    try:
        return check_pattern(text)
    except ValueError as error:
        complain(f"aico price: MODEL {error}")
        return None


def _written(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
