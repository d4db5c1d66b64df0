"""The extension's reports over HTTP: their allowed senders, and that each second counts once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from types import SimpleNamespace

import httpx
import pytest

from aico.api.access import EXTENSION_ORIGIN, REPORT_PATH
from aico.core import errors
from aico.features.activity.browsers.places import Profile
from aico.services import browser_watch, pairings
from tests.api.answer_checks import check_problem
from tests.api.conftest import Api, Serve

CANARY = "Xq7canary"
OURS = "a-token-of-ours-0123456789"


async def pair(api: Api) -> str:
    """Switch the kind on, and return the token of a new pairing."""
    await api.client.put("/api/activity/extension", json={"enabled": True})
    return str((await api.client.put("/api/activity/pairings")).json()["token"])


async def send(api: Api, token: str, body: object, headers: Mapping[str, str | None] | None = None) -> httpx.Response:
    """Send a report as the extension does, but for some headers."""
    own = {"Origin": EXTENSION_ORIGIN, "Authorization": f"Bearer {token}", **(headers or {})}
    return await api.client.post(
        REPORT_PATH, json=body, headers={name: value for name, value in own.items() if value is not None}
    )


def report(start: int, ms: int = 30_000, batch: str = "batch-0001", domain: str = "claude.ai") -> dict[str, object]:
    """Return a report of one beat."""
    return {"batch": batch, "browser": "chromium", "beats": [{"domain": domain, "start": start, "ms": ms, "visits": 1}]}


async def test_only_the_extension_reports_and_only_with_its_token(serve: Serve) -> None:
    """Other origins, listed ones, other extensions, programs and other machines never; no token but the pairing's."""
    async with serve(token=OURS, allowed_origins="http://127.0.0.1:9999") as api:
        api.client.headers["Authorization"] = f"Bearer {OURS}"
        token, now = await pair(api), api.service.now_ms()
        good = report(now - 30_000)
        for origin in (None, "http://127.0.0.1:9999", "null", "chrome-extension://" + "a" * 32, "https://claude.ai"):
            refused = await send(api, token, good, {"Origin": origin})
            assert (refused.status_code, refused.json()["code"]) == (403, errors.OriginRefused.code)
        check_problem(await send(api, token, good, {"X-Forwarded-For": "192.0.2.1"}), errors.OriginRefused)
        for wrong in ("", OURS, token[:-1], token + "x"):
            check_problem(await send(api, wrong, good), errors.PairingRequired)
        assert (await api.get("/api/activity")).json()["seconds"] == 0
        assert (await send(api, token, report(api.service.now_ms(), 0))).status_code == 200
        for method, path in (("GET", "/api/activity"), ("PUT", "/api/activity/pairings"), ("POST", "/api/import")):
            headers = {"Origin": EXTENSION_ORIGIN, "Authorization": f"Bearer {token}"}
            assert (await api.client.request(method, path, headers=headers)).status_code in {401, 403}


async def test_each_second_of_a_report_counts_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated batch, another one of the same time, one from before the pairing, and other sites add nothing."""
    check_problem(await api.client.put("/api/activity/pairings"), errors.SourceOff)
    token = await pair(api)
    start = api.service.now_ms()
    monkeypatch.setattr(api.service.pairings, "_now_ms", lambda: start + 60_000)
    answers = [
        (await send(api, token, body)).json()
        for body in (
            report(start, 30_000),
            report(start, 30_000),
            report(start, 30_000, "batch-0002"),
            report(start - 60_000, 30_000, "batch-0003"),
            report(start + 30_000, 40_000, "batch-0004"),
            report(start + 60_000, 0, "batch-0005", f"{CANARY}.example"),
        )
    ]
    assert [(answer["seconds"], answer["known"], answer["ignored"]) for answer in answers] == [
        (30, False, 0),
        (0, True, 0),
        (0, False, 0),
        (0, False, 0),
        (30, False, 0),
        (0, False, 1),
    ]
    activity = (await api.get(f"/api/activity?from={start}&to={start + 60_000}")).json()
    [use] = activity["subjects"]
    assert (use["kind"], use["subject"], use["place"], use["seconds"]) == ("extension", "claude.ai", "Chromium", 60)
    assert CANARY not in str(activity)
    [pairing] = (await api.get("/api/activity/pairings")).json()
    assert (pairing["browser"], pairing["paired_at"], pairing["ended_at"]) == ("chromium", start + 60_000, None)
    assert token not in str(pairing)
    assert (await api.client.delete(f"/api/activity/pairings/{pairing['id']}")).status_code == 204
    check_problem(await api.client.delete(f"/api/activity/pairings/{pairing['id']}"), errors.PairingUnknown)
    check_problem(await send(api, token, report(start, batch="batch-0006")), errors.PairingRequired)
    await api.client.put("/api/activity/extension", json={"enabled": False})


@pytest.mark.parametrize(
    "change",
    [
        {"batch": "short"},
        {"batch": "x" * 65},
        {"batch": "no blanks here"},
        {"browser": "netscape"},
        {"beats": [{"domain": "claude.ai", "start": 1, "ms": 60_001}]},
        {"beats": [{"domain": "claude.ai", "start": -1, "ms": 1}]},
        {"beats": [{"domain": "claude.ai", "start": 1, "ms": True}]},
        {"beats": [{"domain": "claude.ai", "start": 1, "ms": 1, "title": CANARY}]},
        {"beats": [{"domain": "claude.ai", "start": 1, "ms": 1}] * 201},
        {"title": CANARY},
    ],
)
async def test_report_out_of_bounds_is_refused_in_our_words(api: Api, change: dict[str, object]) -> None:
    """Nothing of it is counted, and nothing of it is told."""
    response = await send(api, await pair(api), {**report(1), **change})
    check_problem(response, errors.RequestInvalid)
    assert CANARY not in response.text


async def test_floods_are_answered_and_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what an extension needs the answer is to wait, for a wrong token, too; switched off, nothing is taken."""
    # However long the flood takes, no time passes in which more would be allowed.
    now = time.monotonic()
    monkeypatch.setattr(pairings, "time", SimpleNamespace(monotonic=lambda: now))
    token = await pair(api)
    for shown, refused in ((token, None), ("wrong", errors.PairingRequired)):
        statuses = [(await send(api, shown, {"batch": f"batch-{n:04}", "browser": "edge"})) for n in range(70)]
        assert statuses[0].status_code == (200 if refused is None else 401)
        check_problem(statuses[-1], errors.ReportsTooMany, retry=True)
        assert statuses[-1].headers["Retry-After"] == "30"
    other = await pair(api)
    await api.client.put("/api/activity/extension", json={"enabled": False})
    check_problem(await send(api, other, report(1)), errors.SourceOff)


async def test_histories_are_looked_for_once_they_are_switched_on_and_not_before(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other kinds look at no profile."""
    looked = threading.Event()

    def find(*_: object) -> list[Profile]:
        looked.set()
        return []

    monkeypatch.setattr(browser_watch, "find_profiles", find)
    for kind in ("shell", "extension"):
        await api.client.put(f"/api/activity/{kind}", json={"enabled": True})
    assert not looked.is_set()
    await api.client.put("/api/activity/browsers", json={"enabled": True})
    assert await asyncio.to_thread(looked.wait, 30)
