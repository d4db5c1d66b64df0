"""Calls the webhook for budgets that were reached: three tries each, over restarts, and nothing waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from importlib import import_module
from typing import NamedTuple, Protocol

import msgspec

from aico.core.db.database import Database
from aico.core.db.terms import Delivery, Fired, list_fired
from aico.core.db.terms_writer import note_delivery
from aico.core.errors import StorageError, WebhookMissing
from aico.core.local_zone import find_local_zone
from aico.core.money import usd
from aico.core.settings import Settings
from aico.core.usage import digest
from aico.core.webhook import WebhookTarget, find_webhook, sign
from aico.features.budgets.periods import local_day
from aico.proxy.webhook_answer import WebhookAnswer
from aico.services.complaint import Complaint

DELAYS_S = (0.0, 5.0, 30.0)
"""Before each try."""
_STALE_MS = 24 * 3_600_000
"""An older notice is no news: a service that was off for longer does not send it."""
_RETRY_S = 5.0
_KEPT_DAYS = 400

_log = logging.getLogger(__name__)


class Post(Protocol):
    """Calls an address once."""

    def __call__(self, url: str, headers: dict[str, str], body: bytes, /) -> Awaitable[WebhookAnswer]:
        """Return what came of it."""
        ...


class LastCall(NamedTuple):
    """The result of the last try since the start."""

    at: int
    """Epoch milliseconds."""
    answer: WebhookAnswer


class WebhookCaller:
    """Sends what is pending in the database, one after the other, until cancelled."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        now_ms: Callable[[], int],
        version: str,
        post: Post | None = None,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        self._settings = settings
        self._database = database
        self._now_ms = now_ms
        self._version = version
        self._post = post
        self._delays_s = delays_s
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._complaint = Complaint(_log, "the webhook waits: %s")
        self.last: LastCall | None = None
        self.counts: dict[WebhookAnswer, int] = dict.fromkeys(WebhookAnswer, 0)
        """Tries since the start, by what came of them."""

    async def find_target(self) -> WebhookTarget | None:
        """Return the webhook that is set now, by whatever process. Raises StorageError."""
        return await asyncio.to_thread(find_webhook, self._settings)

    def note_pending(self) -> None:
        """Say that something is to be sent."""
        self._news.set()

    async def run(self) -> None:
        """Send pending notices, those that an earlier process left included, until cancelled."""
        while True:
            self._news.clear()
            try:
                for fired in await self._list_pending():
                    await self._deliver(fired)
            except StorageError as error:
                self._complaint.note(error)
                await asyncio.sleep(_RETRY_S)
                continue
            self._complaint.end()
            await self._news.wait()

    async def test(self) -> WebhookAnswer:
        """Call the webhook once, with a body that says so. Raises WebhookMissing, StorageError."""
        target = await self.find_target()
        if target is None:
            raise WebhookMissing
        async with self._turn:
            at = self._now_ms()
            return await self._call(target, digest("test", at).hex(), {"type": "test", "at": at})

    async def _list_pending(self) -> list[Fired]:
        zone = (await asyncio.to_thread(find_local_zone)).zone
        since = local_day(self._now_ms(), zone) - timedelta(days=_KEPT_DAYS)
        async with self._database.asking() as ask:
            fired = await list_fired(ask, since.isoformat())
        return [each for each in fired if each.delivery is Delivery.PENDING]

    async def _deliver(self, fired: Fired) -> None:
        """Try to send ``fired`` as often as is left to it. A try that was begun counts, however it ended."""
        number = fired.tries
        while number < len(self._delays_s):
            number += 1
            await asyncio.sleep(self._delays_s[number - 1])
            target = await self.find_target()
            if target is None:
                await note_delivery(self._database, fired.key, Delivery.NOT_WANTED, number - 1)
                return
            if self._now_ms() - fired.at > _STALE_MS:
                break
            # Before it: a service that dies in between has used up the try, and sends the same id again at most twice.
            await note_delivery(self._database, fired.key, Delivery.PENDING, number)
            async with self._turn:
                answer = await self._call(target, id_of(fired), fired_fields(fired))
            if answer is WebhookAnswer.TAKEN:
                await note_delivery(self._database, fired.key, Delivery.DONE, number)
                return
            _log.warning("the webhook was called in vain, try %d of %d: %s", number, len(self._delays_s), answer.value)
        await note_delivery(self._database, fired.key, Delivery.FAILED, number)

    async def _call(self, target: WebhookTarget, identity: str, fields: dict[str, object]) -> WebhookAnswer:
        body = msgspec.json.encode({"id": identity, **fields})
        timestamp_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ai-cost-observer/{self._version}",
            "Aico-Delivery": identity,
            "Aico-Timestamp": str(timestamp_s),
            "Aico-Signature": f"sha256={sign(target.secret, timestamp_s, body)}",
        }
        answer = await (self._post or await _load_post())(target.url, headers, body)
        self.last = LastCall(self._now_ms(), answer)
        self.counts[answer] += 1
        return answer


async def _load_post() -> Post:
    """Return what calls an address: HTTPX, which takes 100 ms to import, only where something is to be sent."""
    module = await asyncio.to_thread(import_module, "aico.proxy.webhook")
    post: Post = module.call_webhook
    return post


def id_of(fired: Fired) -> str:
    """Return the id of ``fired`` for ever, in 32 hexadecimal digits: a receiver that gets it twice can tell."""
    key = fired.key
    return digest(key.budget, key.terms, key.since, key.threshold).hex()


def fired_fields(fired: Fired) -> dict[str, object]:
    """Return the fields of a budget that was reached: amounts and its name, nothing that was worked on."""
    return {
        "type": "budget_reached",
        "budget": fired.key.budget,
        "period": fired.period.value,
        "since": fired.key.since,
        "threshold": fired.key.threshold,
        "amount_usd": usd(fired.amount_nano),
        "spent_usd": usd(fired.spent_nano),
        "at_least": fired.is_at_least,
        "at": fired.at,
    }
