"""The extensions that may report, and the use that their reports add."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aico.core.activity import EXTENSION, ActivitySpan, estimate_nano
from aico.core.db.browsers import BrowserStore, Pairing
from aico.core.errors import PairingRequired, PairingUnknown, ReportsTooMany, SourceOff
from aico.features.activity.browsers.places import BY_ID
from aico.features.activity.heartbeats import AGE_MAX_MS, Allowance, Beat, take, without_forgotten
from aico.services.activity import ActivityService

_STOCK, _PER_S = 60, 2.0
"""The extension sends a report every 30 seconds; after a long wait some at once."""
_UNUSED_MS = 3_600_000
"""A token that nobody used for so long is no longer good."""
_TELL_S = 5.0
"""Pages are told at most so often."""
_TOKEN_BYTES = 24


class Report(NamedTuple):
    """A report of an extension."""

    batch: str
    browser: str
    beats: Sequence[Beat]


class Counted(NamedTuple):
    """The result of a report."""

    duration_ms: int
    is_known: bool
    """It came before: nothing was added."""
    ignored_count: int
    """Beats of sites that are not listed here."""


class PairingService:
    """Pairings are read once and kept; only this service writes them."""

    def __init__(self, activity: ActivityService, publish: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._activity = activity
        self._store = BrowserStore(activity.database)
        self._publish = publish
        self._now_ms = now_ms
        self._pairings: dict[str, Pairing] | None = None
        self._allowances: dict[int, Allowance] = {}
        self._strangers = Allowance(_STOCK, _PER_S)
        self._told_at = float("-inf")
        self.turn = asyncio.Lock()
        """Held while pairings or reports change."""

    async def list_pairings(self) -> list[Pairing]:
        """Return all of them, ended ones too. Raises StorageBusy, StorageError."""
        async with self.turn:
            return list((await self._load()).values())

    async def add(self) -> tuple[int, str]:
        """Return the id of a new pairing and its token, which is stored nowhere. Raises SourceOff, StorageError."""
        self._check_on()
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._now_ms()
        async with self.turn:
            key = await self._store.add_pairing(_digest(token), now, now - _UNUSED_MS)
            self._pairings = None
        return key, token

    async def end(self, key: int) -> None:
        """End a pairing. Raises PairingUnknown, StorageError."""
        async with self.turn:
            if not any(each.id == key and each.ended_at is None for each in (await self._load()).values()):
                raise PairingUnknown
            await self._store.end_pairing(key, self._now_ms())
            self._pairings = None
        self._publish()

    async def authorize(self, token: str) -> Pairing:
        """Return the pairing of a token that may report now.

        Raises PairingRequired, ReportsTooMany, SourceOff, StorageBusy, StorageError.
        """
        async with self.turn:
            pairing = (await self._load()).get(_digest(token))
        is_unused = pairing is not None and pairing.paired_at is None
        if is_unused and pairing is not None and self._now_ms() - pairing.created_at > _UNUSED_MS:
            pairing = None
        if pairing is None or pairing.ended_at is not None:
            if not self._strangers.take(time.monotonic()):
                raise ReportsTooMany
            raise PairingRequired
        if not self._allowances.setdefault(pairing.id, Allowance(_STOCK, _PER_S)).take(time.monotonic()):
            raise ReportsTooMany
        self._check_on()
        return pairing

    async def take(self, token: str, report: Report) -> Counted:
        """Add what is new of a report, whose token :meth:`authorize` has let pass. Raises like it."""
        domains, now = self._activity.definitions.domains, self._now_ms()
        known = [beat for beat in report.beats if beat.name in domains]
        ignored = len(report.beats) - len(known)
        async with self.turn:
            pairing = (await self._load()).get(_digest(token))
            if pairing is None or pairing.ended_at is not None:
                raise PairingRequired
            since_ms = max(pairing.created_at, self._activity.find_switched_at(EXTENSION.id) or 0)
            forgotten = await self._store.list_forgotten(EXTENSION.id)
            taken = take(without_forgotten(known, forgotten), pairing.until_ms, since_ms, now)
            after = pairing._replace(browser=pairing.browser or report.browser, until_ms=taken.until_ms)
            browser = BY_ID.get(after.browser or "")
            place = "" if browser is None else browser.title
            spans = [
                ActivitySpan(
                    EXTENSION.id,
                    beat.name,
                    domains[beat.name].category,
                    beat.start_ms,
                    beat.duration_ms,
                    beat.visits,
                    place,
                    estimate_nano(beat.duration_ms, domains[beat.name].hourly_rate_usd),
                )
                for beat in taken.beats
            ]
            is_new = await self._store.add_report(after, report.batch, spans, now, now - 2 * AGE_MAX_MS)
            if is_new:
                after = after._replace(paired_at=pairing.paired_at or now, last_at=now)
                (await self._load())[pairing.token] = after
        if is_new and spans:
            self._tell()
        return Counted(sum(beat.duration_ms for beat in taken.beats) if is_new else 0, not is_new, ignored)

    async def _load(self) -> dict[str, Pairing]:
        if self._pairings is None:
            self._pairings = {each.token: each for each in await self._store.list_pairings()}
        return self._pairings

    def _check_on(self) -> None:
        if not self._activity.is_on(EXTENSION.id):
            raise SourceOff(f"activity.{EXTENSION.id}")

    def _tell(self) -> None:
        if time.monotonic() - self._told_at >= _TELL_S:
            self._told_at = time.monotonic()
            self._publish()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
