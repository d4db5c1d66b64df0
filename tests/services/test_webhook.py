"""The webhook: what is called, how it is signed, how often, and what never leaves."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from aico.cli.service.purge import list_data
from aico.core.db.terms import Delivery, Fired, FiredKey, list_fired
from aico.core.db.terms_writer import note_fired
from aico.core.errors import StorageError, WebhookMissing
from aico.core.private_file import webhook_path
from aico.core.settings import Settings
from aico.core.spending_settings import check_secret, check_webhook_url, shown_address
from aico.core.terms import BudgetPeriod
from aico.core.webhook import find_webhook, remove_webhook, store_webhook
from aico.proxy.webhook import call_webhook
from aico.proxy.webhook_answer import WebhookAnswer
from aico.services.service import ObserverService
from aico.services.webhook import WebhookCaller
from tests.certificates import make_certificates
from tests.core.repository_on_file import copy_of_template
from tests.held_port import held_port
from tests.services.heard_service import HANG_S, observer
from tests.services.test_budgets import SetClock
from tests.services.webhook_receiver import Answer, hanging_up, saying, silent_for, webhook_receiver

SECRET = "not to be seen anywhere"  # noqa: S105  # what must not be seen
FIRED = Fired(
    FiredKey("team", "0" * 32, "2026-03-28", 80),
    BudgetPeriod.DAY,
    5 * 10**9,
    4_500_000_000,
    is_at_least=True,
    at=0,
    delivery=Delivery.PENDING,
    tries=0,
)


@asynccontextmanager
async def opened(folder: Path, clock: SetClock, **settings: object) -> AsyncIterator[ObserverService]:
    """Open a service on a database of its own, without what runs by itself."""
    own = folder / "own"
    if not own.exists():
        own.mkdir(mode=0o700)
        copy_of_template(own).chmod(0o600)
    service = observer(folder, clock, ledger_path=f"{folder}/taskHistory.json", **settings)
    await service.database.open()
    try:
        yield service
    finally:
        await service.database.close()


async def deliver(
    service: ObserverService, clock: SetClock, settings: Settings, delays_s: Sequence[float] = (0, 0, 0)
) -> list[tuple[Delivery, int]]:
    """Send what is pending until nothing is; return how each stands."""
    caller = WebhookCaller(settings, service.database, clock, "1.2.3", delays_s=delays_s)
    task = asyncio.create_task(caller.run())

    async def stand() -> list[tuple[Delivery, int]]:
        async with service.database.asking() as ask:
            return [(each.delivery, each.tries) for each in await list_fired(ask, "")]

    try:
        async with asyncio.timeout(HANG_S):
            while any(each is Delivery.PENDING for each, _ in await stand()):  # noqa: ASYNC110  # a database
                await asyncio.sleep(0.005)
        return await stand()
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize(
    ("answer", "delivery", "calls"),
    [(saying(204), Delivery.DONE, 1), (saying(500), Delivery.FAILED, 3), (hanging_up, Delivery.FAILED, 3)],
)
async def test_call_is_signed_and_tried_three_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Answer, delivery: Delivery, calls: int
) -> None:
    """Amounts and the budget's name alone; an id that stays; nothing secret in any log."""
    clock = SetClock()
    caplog.set_level(logging.DEBUG)
    async with webhook_receiver(answer) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook-path?key=in-the-address"
        async with opened(tmp_path, clock, webhook_url=url, webhook_secret=SECRET) as service:
            await note_fired(service.database, [FIRED._replace(at=clock.now_ms)], "")
            assert await deliver(service, clock, service.settings) == [(delivery, calls)]
            assert await deliver(service, clock, service.settings) == [(delivery, calls)]
        assert len(receiver.calls) == calls
        for call in receiver.calls:
            assert call.line == "POST /hook-path?key=in-the-address HTTP/1.1"
            signed = call.headers["aico-timestamp"].encode() + b"." + call.body
            expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            assert call.headers["aico-signature"] == f"sha256={expected}"
            assert call.headers["content-type"] == "application/json"
            fields = json.loads(call.body)
            assert fields.pop("id") == call.headers["aico-delivery"]
            assert fields == {
                "type": "budget_reached",
                "budget": "team",
                "period": "day",
                "since": "2026-03-28",
                "threshold": 80,
                "amount_usd": 5.0,
                "spent_usd": 4.5,
                "at_least": True,
                "at": clock.now_ms,
            }
        assert len({call.headers["aico-delivery"] for call in receiver.calls}) == 1
        assert not any(part in caplog.text for part in (SECRET, "in-the-address", "hook-path"))


async def test_tries_go_on_where_a_process_has_died(tmp_path: Path) -> None:
    """A try that was begun counts; what is older than a day is no news; without a webhook nobody is called later."""
    clock = SetClock()
    async with webhook_receiver(saying(503)) as receiver:
        url = f"http://localhost:{receiver.port}/"
        async with opened(tmp_path, clock, webhook_url=url, webhook_secret=SECRET) as service:
            fired = [
                FIRED._replace(at=clock.now_ms, tries=2),
                FIRED._replace(key=FIRED.key._replace(threshold=100), at=clock.now_ms - 86_400_001),
            ]
            await note_fired(service.database, fired, "")
            stood = await deliver(service, clock, service.settings)
            assert sorted(stood) == [(Delivery.FAILED, 1), (Delivery.FAILED, 3)]
            assert len(receiver.calls) == 1
            await note_fired(service.database, [FIRED._replace(key=FIRED.key._replace(budget="b"), at=clock())], "")
            bare = service.settings.model_copy(update={"webhook_url": None})
            assert (Delivery.NOT_WANTED, 0) in await deliver(service, clock, bare)
            assert len(receiver.calls) == 1


async def test_what_keeps_the_webhook_waiting_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried in vain; another reason is told, and so is the same one after a try that went well."""
    monkeypatch.setattr("aico.services.webhook._RETRY_S", 0.0)
    ends = iter(["full", "full", "busy", "busy", None, "busy", None])
    clock, all_tried = SetClock(), asyncio.Event()
    async with opened(tmp_path, clock) as service:
        caller = WebhookCaller(service.settings, service.database, clock, "1.2.3")

        async def try_again() -> list[Fired]:
            end = next(ends, "over")
            if end == "over":
                all_tried.set()
            elif end is None:
                caller.note_pending()
            else:
                raise StorageError(end)
            return []

        monkeypatch.setattr(caller, "_list_pending", try_again)
        task = asyncio.create_task(caller.run())
        await all_tried.wait()
        task.cancel()
        await asyncio.wait({task})
    told = [record.getMessage() for record in caplog.records if record.name == "aico.services.webhook"]
    assert told == [f"the webhook waits: {StorageError(end)}" for end in ("full", "busy", "busy")]


async def test_nobody_is_followed_or_asked_for_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """No redirect, no proxy of the environment; what is silent or not there costs the patience and no more."""
    async with webhook_receiver(saying(200)) as other:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
        location = f"Location: http://127.0.0.1:{other.port}/"
        for answer, expected in (
            (saying(307, location), WebhookAnswer.REFUSED),
            (saying(301, location), WebhookAnswer.REFUSED),
            (saying(200), WebhookAnswer.TAKEN),
            (silent_for(HANG_S), WebhookAnswer.NO_ANSWER),
        ):
            async with webhook_receiver(answer) as receiver:
                assert await call_webhook(f"http://127.0.0.1:{receiver.port}/", {}, b"{}", HANG_S) is expected
                assert len(receiver.calls) == 1
        with held_port() as port:
            url = f"http://127.0.0.1:{port}/"
            assert await call_webhook(url, {}, b"{}", HANG_S) is WebhookAnswer.UNREACHABLE
        assert other.calls == []


async def test_certificate_says_that_the_name_is_the_right_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name that leads somewhere else, to this network for example, leads to no certificate for it."""
    certificates = make_certificates(tmp_path / "ca", "localhost")
    async with webhook_receiver(saying(200), certificates=certificates) as receiver:
        url = f"https://localhost:{receiver.port}/"
        assert await call_webhook(url, {}, b"{}", HANG_S) is WebhookAnswer.UNREACHABLE
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
        assert await call_webhook(url, {}, b"{}", HANG_S) is WebhookAnswer.TAKEN
        assert await call_webhook(url.replace("localhost", "127.0.0.2"), {}, b"{}", HANG_S) is WebhookAnswer.UNREACHABLE
        assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/T0/secret", "https://hooks.example.org/…"),
        ("https://hooks.example.org", "https://hooks.example.org"),
        ("https://hooks.example.org:8443/?token=secret", "https://hooks.example.org:8443/…"),
        ("http://127.0.0.1:9000/a", "http://127.0.0.1:9000/…"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://localhost/", "http://localhost"),
        ("http://hooks.example.org/", None),
        ("http://192.168.1.2/", None),
        ("http://127.0.0.1.example.org/", None),
        ("http://localhost.example.org/", None),
        ("http://localhost./", None),
        ("http://2130706433/", None),
        ("http://127.1/", None),
        ("http://0.0.0.0/", None),
        ("http://169.254.169.254/", None),
        ("http://[::ffff:10.0.0.1]/", None),
        ("http://127.0.0.1@example.org/", None),
        ("https://user:password@example.org/", None),
        ("http://127.0.0.1\\@example.org/", None),
        ("https://example.org/#fragment", None),
        ("https://example.org:port/", None),
        ("https://exa mple.org/", None),
        ("https://exämple.org/", None),
        ("file:///etc/passwd", None),
        ("//example.org", None),
        ("https://", None),
        ("", None),
    ],
)
def test_address_is_https_or_this_machine(url: str, shown: str | None) -> None:
    """Anything else is refused, by a reason that does not repeat it; a path is never shown, it may be a secret."""
    if shown is not None:
        assert shown_address(check_webhook_url(url)) == shown
        return
    with pytest.raises(ValueError, match=r"^(must|is no)") as caught:
        check_webhook_url(url)
    assert len(url) < 10 or url not in str(caught.value)


def test_word_of_the_command_lies_in_a_private_file(tmp_path: Path) -> None:
    """It is kept for us alone; one that somebody else had a hand in, or that is none of ours, is refused."""
    settings = Settings(ledger_path=f"{tmp_path}/taskHistory.json", database_path=tmp_path / "observer.db")
    assert find_webhook(settings) is None
    store_webhook(settings.database_path, "https://example.org/secret", SECRET)
    path = webhook_path(settings.database_path)
    assert (path.stat().st_mode & 0o777, [each.name for each in tmp_path.iterdir()]) == (0o600, ["webhook.json"])
    assert path in list_data(settings.database_path)  # what `aico service uninstall --purge` removes
    found = find_webhook(settings)
    assert found is not None
    assert (found.url, found.secret, found.fixed_by) == ("https://example.org/secret", SECRET, None)
    assert (SECRET in repr(found), "example" in repr(found)) == (False, False)
    own = settings.model_copy(
        update={"webhook_url": SecretStr("https://other.example/"), "webhook_secret": SecretStr(SECRET)}
    )
    target = find_webhook(own)
    assert target is not None
    assert (target.url, target.fixed_by) == ("https://other.example/", "webhook_url")
    for text in (
        '{"url": "http://example.org", "secret": "0123456789abcdef"}',
        '{"url": "https://a", "secret": "x"}',
        "[",
    ):
        path.write_text(text, encoding="ascii")
        with pytest.raises(StorageError) as caught:
            find_webhook(settings)
        assert "example" not in str(caught.value)
    (tmp_path / "second").hardlink_to(path)
    with pytest.raises(StorageError):
        find_webhook(settings)
    (tmp_path / "second").unlink()
    assert (remove_webhook(settings.database_path), remove_webhook(settings.database_path)) == (True, False)
    with pytest.raises(ValueError, match="at least 16"):
        check_secret(SecretStr("short"))


async def test_nothing_is_tested_where_nothing_is_set(tmp_path: Path) -> None:
    """There is nobody to call."""
    async with opened(tmp_path, SetClock()) as service:
        with pytest.raises(WebhookMissing):
            await service.budgets.webhook.test()
