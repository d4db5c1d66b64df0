"""The hub: the messages of each subscriber, their order, and the fate of subscribers that lag."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from functools import partial

import pytest

from aico.core.errors import TooManyConnections
from aico.services import hub as hub_module
from aico.services import messages
from aico.services.hub import QUEUE_SIZE, REPLAY_COUNT, Hub, Subscription

EPOCH = "epoch-1"


def make_hub(revision: int = 0, max_subscriptions: int = 16) -> Hub:
    """Return a hub that stands at ``revision``."""
    hub = Hub(messages.encode, "1.2.3", max_subscriptions)
    hub.open(EPOCH, revision)
    return hub


def change(hub: Hub, revision: int, text: str = "") -> None:
    """Publish the change that makes ``revision``."""
    hub.publish_change(revision, {"type": "change", "revision": revision, "text": text})


async def drain(subscription: Subscription) -> list[dict[str, object]]:
    """Return everything that is queued now, decoded; an end appears as ``{}``."""
    found: list[dict[str, object]] = []
    while subscription._queue.qsize():
        text = await subscription.get()
        found.append({} if text is None else json.loads(text))
    return found


def revisions(found: list[dict[str, object]]) -> list[object]:
    """Return the revisions of the changes among ``found``."""
    return [message["revision"] for message in found if message.get("type") == "change"]


def kinds(found: list[dict[str, object]]) -> list[object]:
    """Return the types of ``found``."""
    return [message.get("type") for message in found]


async def test_hub_greets_subscriber_with_position_and_version() -> None:
    """The first message tells the position of the database, and the version of the service."""
    with make_hub(revision=7).subscribe(None, None) as subscription:
        assert await drain(subscription) == [{"type": "hello", "epoch": EPOCH, "revision": 7, "version": "1.2.3"}]


@pytest.mark.parametrize(("since", "missed"), [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (3, [])])
async def test_hub_replays_exactly_the_missed_changes(since: int, missed: list[int]) -> None:
    """A subscriber that comes back with a known position gets the later changes, in order, after the greeting."""
    hub = make_hub()
    for revision in (1, 2, 3):
        change(hub, revision)
    with hub.subscribe(EPOCH, since) as subscription:
        found = await drain(subscription)
    assert kinds(found)[0] == "hello"
    assert revisions(found) == missed
    assert "resync" not in kinds(found)


@pytest.mark.parametrize(
    ("epoch", "since"),
    [("epoch-2", 3), ("epoch-2", 1), ("", 3), (None, 3), (EPOCH, None), (EPOCH, 4), (EPOCH, 10**18), (EPOCH, -1)],
)
async def test_hub_asks_for_resync_when_the_position_is_not_its_own(epoch: str | None, since: int | None) -> None:
    """A wrong epoch, half a position, or a revision that never was gets one resync and no replay."""
    hub = make_hub()
    for revision in (1, 2, 3):
        change(hub, revision)
    with hub.subscribe(epoch, since) as subscription:
        found = await drain(subscription)
    assert kinds(found) == ["hello", "resync"]
    assert found[1] == {"type": "resync", "epoch": EPOCH, "revision": 3}


async def test_hub_asks_for_resync_when_changes_were_committed_before_its_start() -> None:
    """A commit of the process before is not in the buffer, so it cannot be replayed."""
    hub = make_hub(revision=5)
    change(hub, 6)
    with hub.subscribe(EPOCH, 4) as late, hub.subscribe(EPOCH, 5) as in_time:
        assert kinds(await drain(late)) == ["hello", "resync"]
        assert revisions(await drain(in_time)) == [6]


async def test_hub_needs_no_replay_of_a_position_it_stands_at() -> None:
    """A client that missed nothing gets only the greeting, also from a hub that has published nothing."""
    with make_hub(revision=5).subscribe(EPOCH, 5) as subscription:
        assert kinds(await drain(subscription)) == ["hello"]


async def test_hub_forgets_the_oldest_change_beyond_the_count() -> None:
    """The buffer holds the last changes; one before them is a resync."""
    hub = make_hub()
    for revision in range(1, REPLAY_COUNT + 2):
        change(hub, revision)
    with hub.subscribe(EPOCH, 1) as oldest, hub.subscribe(EPOCH, 0) as beyond:
        assert revisions(await drain(oldest)) == list(range(2, REPLAY_COUNT + 2))
        assert kinds(await drain(beyond)) == ["hello", "resync"]


async def test_hub_forgets_the_oldest_changes_beyond_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large messages leave the buffer before its count is full, and one larger than all of it is not kept."""
    monkeypatch.setattr(hub_module, "REPLAY_BYTES", 1_000)
    hub = make_hub()
    for revision in (1, 2, 3):
        change(hub, revision, "x" * 400)
    with hub.subscribe(EPOCH, 1) as known, hub.subscribe(EPOCH, 0) as forgotten:
        assert revisions(await drain(known)) == [2, 3]
        assert kinds(await drain(forgotten)) == ["hello", "resync"]
    change(hub, 4, "x" * 1_000)
    assert hub._replay_bytes == 0
    with hub.subscribe(EPOCH, 3) as subscription:
        assert kinds(await drain(subscription)) == ["hello", "resync"]


async def test_hub_counts_bytes_not_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the buffer holds for text outside ASCII, too."""
    monkeypatch.setattr(hub_module, "REPLAY_BYTES", 1_000)
    hub = make_hub()
    change(hub, 1, "観" * 400)
    with hub.subscribe(EPOCH, 0) as subscription:
        assert kinds(await drain(subscription)) == ["hello", "resync"]


async def test_hub_ends_lagging_subscriber_and_spares_the_rest() -> None:
    """One message too many ends the subscriber that does not read; the other gets every one."""
    hub = make_hub()
    received: list[object] = []
    with hub.subscribe(None, None) as lagging, hub.subscribe(None, None) as reading:
        await reading.get()
        for revision in range(1, QUEUE_SIZE + 4):
            change(hub, revision)
            received += revisions(await drain(reading))
        assert lagging.lagged.is_set()
        assert not reading.lagged.is_set()
        assert await drain(lagging) == [{}]
        assert received == list(range(1, QUEUE_SIZE + 4))
        assert hub.dropped_count == 1


async def test_hub_lets_subscriber_lag_as_far_as_its_queue() -> None:
    """A full queue is no lag, however long the replay before it was; the next message is."""
    hub = make_hub()
    for revision in range(1, 101):
        change(hub, revision)
    with hub.subscribe(EPOCH, 0) as subscription:
        for revision in range(101, 101 + QUEUE_SIZE):
            change(hub, revision)
        assert not subscription.lagged.is_set()
        change(hub, 101 + QUEUE_SIZE)
        assert subscription.lagged.is_set()


async def test_hub_refuses_one_subscriber_too_many() -> None:
    """At the limit the next one is refused; when one has left there is room again."""
    hub = make_hub(max_subscriptions=2)
    with ExitStack() as stack:
        stack.enter_context(hub.subscribe(None, None))
        with hub.subscribe(None, None):
            assert hub.subscription_count == 2
            with pytest.raises(TooManyConnections, match="2"):
                stack.enter_context(hub.subscribe(None, None))
        stack.enter_context(hub.subscribe(None, None))
        assert hub.subscription_count == 2
    assert hub.subscription_count == 0


async def test_hub_forgets_subscriber_whose_block_raised() -> None:
    """A handler that breaks leaves nothing behind."""
    hub = make_hub()
    with pytest.raises(RuntimeError), hub.subscribe(None, None):
        raise RuntimeError
    assert hub.subscription_count == 0


async def test_hub_close_ends_subscribers_after_what_is_queued() -> None:
    """Nothing that was published before the end is lost by the end."""
    hub = make_hub()
    with hub.subscribe(None, None) as one, hub.subscribe(None, None) as other:
        change(hub, 1)
        hub.close()
        for subscription in (one, other):
            found = await drain(subscription)
            assert revisions(found) == [1]
            assert found[-1] == {}


async def test_hub_encodes_message_once_for_all_subscribers() -> None:
    """Each published message is encoded one time, whether there are three subscribers or none."""
    encoded: list[object] = []

    def encode(message: dict[str, object]) -> str:
        encoded.append(message["type"])
        return messages.encode(message)

    hub = Hub(encode, "1", 8)
    hub.open(EPOCH, 0)
    change(hub, 1)
    with hub.subscribe(None, None), hub.subscribe(None, None), hub.subscribe(EPOCH, 0):
        encoded.clear()
        change(hub, 2)
        hub.publish_notice({"type": "notice"})
        assert encoded == ["change", "notice"]


async def test_hub_publishes_in_order_to_waiting_subscriber() -> None:
    """A subscriber that waits gets changes and notices in the order of their publication."""
    hub = make_hub()
    with hub.subscribe(None, None) as subscription:
        await subscription.get()
        waiting = asyncio.create_task(subscription.get())
        await asyncio.sleep(0)
        change(hub, 1)
        hub.publish_notice({"type": "notice"})
        change(hub, 2)
        async with asyncio.timeout(60):
            first = json.loads(await waiting or "")
        assert kinds([first, *await drain(subscription)]) == ["change", "notice", "change"]


async def test_hub_keeps_no_notice_for_replay() -> None:
    """States and heartbeats are of their moment: a subscriber that comes back gets changes only."""
    hub = make_hub()
    hub.publish_notice({"type": "notice"})
    change(hub, 1)
    with hub.subscribe(EPOCH, 0) as subscription:
        assert kinds(await drain(subscription)) == ["hello", "change"]


async def test_hub_leaves_no_gap_between_replay_and_queue() -> None:
    """Subscribers that come between any two changes all end with the same gapless revisions."""
    hub = make_hub()
    with ExitStack() as stack:
        subscriptions = []
        for revision in range(1, 41):
            if revision % 4 == 1:
                subscriptions.append(stack.enter_context(hub.subscribe(EPOCH, 0)))
            change(hub, revision)
        for subscription in subscriptions:
            assert revisions(await drain(subscription)) == list(range(1, 41))


async def test_subscription_stays_ended_after_it_lagged() -> None:
    """Once a message was lost nothing follows, because it would hide the gap."""
    subscription = Subscription([])
    for number in range(QUEUE_SIZE + 1):
        subscription.offer_nowait(str(number))
    subscription.offer_nowait("after")
    assert await subscription.get() is None
    assert subscription._queue.empty()


async def test_hub_replays_all_messages_of_a_change_and_counts_them_as_one() -> None:
    """A change that is told in several words is one revision: nobody asks for a resync because of it."""
    hub = make_hub()
    for revision in (1, 2):
        hub.publish_change(revision, {"type": "new", "revision": revision}, {"type": "old", "revision": revision})
    with hub.subscribe(EPOCH, 1) as subscription, hub.subscribe(EPOCH, 0) as earlier:
        assert kinds(await drain(subscription)) == ["hello", "new", "old"]
        assert kinds(await drain(earlier)) == ["hello", "new", "old", "new", "old"]


async def test_hub_makes_no_message_while_nobody_listens() -> None:
    """A change that nobody hears is kept as it is; a later subscriber hears it, in its place among the others."""
    hub, made = make_hub(), []

    def make(revision: int) -> list[dict[str, object]]:
        made.append(revision)
        return [{"type": "new", "revision": revision}, {"type": "old", "revision": revision}]

    hub.publish_lazily(1, partial(make, 1), 100)
    change(hub, 2)
    hub.publish_lazily(3, partial(make, 3), 100)
    assert made == []
    with hub.subscribe(EPOCH, 0) as subscription:
        hub.publish_lazily(4, partial(make, 4), 100)
        found = await drain(subscription)
    assert made == [1, 3, 4]
    assert kinds(found[1:]) == ["new", "old", "change", "new", "old", "new", "old"]
    assert [message["revision"] for message in found[1:]] == [1, 1, 2, 3, 3, 4, 4]


async def test_hub_forgets_the_oldest_change_that_was_not_made_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is kept unmade weighs as much as it says."""
    monkeypatch.setattr(hub_module, "REPLAY_BYTES", 250)
    hub = make_hub()
    for revision in (1, 2, 3):
        hub.publish_lazily(revision, partial(list, [{"type": "change", "revision": revision}]), 100)
    with hub.subscribe(EPOCH, 1) as subscription:
        assert revisions((await drain(subscription))[1:]) == [2, 3]
    with hub.subscribe(EPOCH, 0) as subscription:
        assert kinds(await drain(subscription)) == ["hello", "resync"]
