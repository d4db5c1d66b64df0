"""The use of apps, commands and sites over HTTP, and the switches of what is seen of it."""

from __future__ import annotations

import pytest

from aico.core import errors
from aico.core.activity import ActivitySpan
from aico.core.db.activity import Checkpoint
from aico.core.units import SLOT_MS
from tests.api.answer_checks import check_problem
from tests.api.conftest import Api, Serve

NOON = 1_779_012_000_000


async def test_activity_is_off_until_it_is_switched_on(api: Api) -> None:
    """Nothing is seen at first; each kind has a switch of its own, and says what it would look at."""
    answer = (await api.get("/api/activity")).json()
    assert [(kind["id"], kind["enabled"], kind["state"]) for kind in answer["kinds"]] == [
        ("apps", False, "off"),
        ("commands", False, "off"),
        ("shell", False, "off"),
        ("browsers", False, "off"),
        ("extension", False, "off"),
    ]
    assert all(kind["reads"] and kind["never_read"] for kind in answer["kinds"])
    assert (answer["subjects"], answer["spans"], answer["seconds"]) == ([], [], 0)
    for body, status in (({"enabled": True}, 200), ({"enabled": 1}, 422), ({}, 422), ({"on": True}, 422)):
        assert (await api.client.put("/api/activity/shell", json=body)).status_code == status
    check_problem(await api.client.put("/api/activity/nothing", json={"enabled": True}), errors.SourceUnknown)
    kinds = (await api.get("/api/activity")).json()["kinds"]
    assert [kind["enabled"] for kind in kinds] == [False, False, True, False, False]
    assert (await api.client.put("/api/activity/shell", json={"enabled": False})).json()["state"] == "off"


async def test_look_that_ends_behind_the_switch_leaves_no_position(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is typed while a kind is off would count as soon as it is on again."""
    activity, choose = api.service.activity, api.service.activity.choose
    await activity.switch("shell", is_on=True)

    async def choose_while_a_look_ends(kind_id: str, *, is_on: bool) -> None:
        await choose(kind_id, is_on=is_on)
        await activity.store.add([], Checkpoint("shell", "d1", "[]", NOON))

    monkeypatch.setattr(activity, "choose", choose_while_a_look_ends)
    await activity.switch("shell", is_on=False)
    assert await activity.store.find_position("shell", "d1") is None


async def test_activity_of_a_period_adds_up(api: Api) -> None:
    """Times, counts and estimates of each subject, the sums of all, and the stretches; bounds are those of slots."""
    await api.service.activity.store.add(
        [
            ActivitySpan("apps", "Cursor", "editor", NOON, 3_600_000),
            ActivitySpan("shell", "claude", "coding", NOON, 0, 4, "zsh"),
            ActivitySpan("apps", "Gone", "editor", NOON + SLOT_MS * 8, 1_000),
        ]
    )
    answer = (await api.get(f"/api/activity?from={NOON + 1}&to={NOON + SLOT_MS * 5 - 1}")).json()
    assert (answer["from"], answer["to"]) == (NOON, NOON + SLOT_MS * 5)
    assert [(each["subject"], each["type"], each["place"]) for each in answer["subjects"]] == [
        ("Cursor", "app", ""),
        ("claude", "command", "zsh"),
    ]
    cursor, claude = answer["subjects"]
    assert (cursor["seconds"], cursor["estimated_cost_usd"], cursor["is_running"]) == (3600, 0.5, False)
    assert (claude["count"], claude["seconds"]) == (4, 0)
    assert (answer["seconds"], answer["estimated_cost_usd"]) == (3600, 0.5)
    assert [(span["subject"], span["start"], span["seconds"]) for span in answer["spans"]] == [("Cursor", NOON, 3600)]
    whole = (await api.get(f"/api/activity?from={NOON}&to={NOON + SLOT_MS * 96}")).json()
    [gone] = [each for each in whole["subjects"] if each["subject"] == "Gone"]
    assert (gone["hourly_rate_usd"], gone["estimated_cost_usd"]) == (None, None)
    summary = (await api.get("/api/summary")).json()
    assert summary["totals"]["cost_usd"] == 0


async def test_use_is_forgotten_for_good(api: Api) -> None:
    """The forgotten use is told; a late report of that time adds nothing, one of a later time does."""
    now = api.service.now_ms()
    spans = [ActivitySpan("apps", "Cursor", "editor", NOON, 60_000), ActivitySpan("shell", "llm", "c", NOON, 0, 4)]
    await api.service.activity.store.add(spans)
    body = {"kinds": ["apps", "extension"], "from": NOON, "to": now}
    answer = await api.client.put("/api/activity/forgotten", json=body)
    assert answer.json() == {"subjects": [{"kind": "apps", "subject": "Cursor", "seconds": 60, "count": 0}]}
    assert (await api.client.put("/api/activity/forgotten", json=body)).json() == {"subjects": []}
    left = (await api.get(f"/api/activity?from={NOON}&to={now}")).json()["subjects"]
    assert [each["subject"] for each in left] == ["llm"]
    for wrong in ({}, body | {"kinds": []}, body | {"to": NOON - 1}, body | {"from": "x"}, body | {"all": True}):
        check_problem(await api.client.put("/api/activity/forgotten", json=wrong), errors.RequestInvalid)
    check_problem(await api.client.put("/api/activity/forgotten", json=body | {"kinds": ["x"]}), errors.SourceUnknown)


@pytest.mark.parametrize("query", ["from=5&to=4", "from=x", "tz=Nowhere/Else", "kind=apps"])
async def test_activity_refuses_what_it_does_not_know(api: Api, query: str) -> None:
    """An unknown parameter, or one out of bounds, is no smaller answer."""
    check_problem(await api.get(f"/api/activity?{query}"), errors.RequestInvalid)


async def test_configuration_decides_over_the_switch(serve: Serve) -> None:
    """The setting decides what is seen: the switch says so and cannot be turned, from another page never."""
    async with serve(activity={"kinds": []}) as api:
        kinds = (await api.get("/api/activity")).json()["kinds"]
        assert {(kind["enabled"], kind["fixed_by"]) for kind in kinds} == {(False, "activity.kinds")}
        check_problem(await api.client.put("/api/activity/apps", json={"enabled": True}), errors.SourceFixed)
    async with serve(allowed_origins="http://127.0.0.1:9999") as api:
        origin = {"Origin": "http://127.0.0.1:9999"}
        refused = await api.client.put("/api/activity/apps", json={"enabled": True}, headers=origin)
        assert (refused.status_code, refused.json()["code"]) == (403, errors.OriginRefused.code)
        body = {"kinds": ["apps"], "from": 0, "to": 1}
        refused = await api.client.put("/api/activity/forgotten", json=body, headers=origin)
        assert (refused.status_code, refused.json()["code"]) == (403, errors.OriginRefused.code)
