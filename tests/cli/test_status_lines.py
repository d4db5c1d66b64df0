"""The lines of ``aico status`` for the answers of the service."""

from __future__ import annotations

import time

import pytest

from aico.cli.status import Fields, _describe_export, _describe_limit, _is_well, _lines


def origin(name: str = "ledger", **fields: object) -> Fields:
    """Return an origin as ``GET /api/sources`` tells it."""
    well = {"title": name, "enabled": True, "found": True, "state": "watching", "reason": None, "fixed_by": None}
    return {"id": name, **well, "problem": None, **fields}


def source(name: str = "cline", *origins: Fields, **fields: object) -> Fields:
    """Return a source with ``origins``."""
    well = {"title": name.title(), "enabled": any(each["enabled"] for each in origins), "state": "watching"}
    return {"id": name, **well, "reason": None, "sessions": 3, "last_read_at": 1, "origins": [*origins], **fields}


def text_of(status: Fields, *sources: Fields) -> str:
    """Return all lines."""
    return "\n".join(_lines("u", status, sources))


@pytest.mark.parametrize(("state", "is_well"), [("watching", True), ("waiting", True), ("degraded", False)])
def test_status_is_degraded_when_an_origin_is(state: str, is_well: bool) -> None:
    """A script sees that something which is on is not read; what is off does not count."""
    assert _is_well([source("cline", origin(), origin("sessions", state=state))]) is is_well
    assert _is_well([source("cline", origin()), source("other", origin("log", state=state))]) is is_well
    assert _is_well([source("cline", origin(), origin("sessions", enabled=False, state="off"))])


def test_status_says_how_each_source_and_origin_is() -> None:
    """On or off, state and reason, the deciding setting, sessions, the last reading; the others are named."""
    fixed = origin("sessions", enabled=False, state="off", fixed_by="cline_sessions")
    ill = origin("log", state="degraded", reason="source_format", problem="Not a known log: it is none.")
    lines = _lines(
        "u",
        {},
        [
            source("cline", origin(), fixed),
            source("invented", ill, state="degraded", reason="source_format", sessions=1),
            source("codex", origin("log", enabled=False, state="off")),
            source("kilo", origin("log", enabled=False, state="off")),
        ],
    )
    assert lines[1].startswith("cline        watching, 3 sessions, last read ")
    assert lines[2:4] == ["             ledger: watching", "             sessions: off, by the setting cline_sessions"]
    assert lines[4].startswith("invented     degraded (source_format), 1 session, last read ")
    assert lines[5] == "             log: degraded (source_format). Not a known log: it is none."
    assert lines[6] == "off          codex, kilo"


def test_status_says_of_what_was_found_how_it_is_read() -> None:
    """A tool that is off and here, or an origin, has a command beside it; one that a setting fixes has that."""
    log, found = origin("log", enabled=False, state="off"), {"files": 231, "bytes": 1_200_000_000}
    lines = _lines(
        "u",
        {},
        [
            source("cline", origin(), origin("hub", enabled=False, look={"files": 1, "bytes": 4_000})),
            source("codex", log, found=found),
            source("pi", {**log, "fixed_by": "enabled_sources"}, found=found),
            source("kilo", log, found=None),
        ],
    )
    assert lines[3:7] == [
        "             hub: off, found, 1 file, 4.0 kB: `aico sources on cline.hub` reads it",
        "off          codex: found, 231 files, 1.2 GB: `aico sources on codex` reads it",
        "off          pi: found, 231 files, 1.2 GB: the setting enabled_sources decides",
        "off          kilo",
    ]


def test_status_is_short_of_a_cline_that_is_not_there_beside_other_tools() -> None:
    """Nobody asked for it: it is on by default, and no folder of it is missed."""
    absent = source("cline", origin(state="waiting"), origin("hub", enabled=False, state="off"), sessions=0)
    ledger: Fields = {"ledger": {"path": "/x", "exists": False, "chosen_by": "default"}}
    assert text_of(ledger, absent, source("codex", origin("log"))).endswith(
        "\ncline        on from the start, and nothing of it is found on this computer"
    )
    assert "ledger       /x" in text_of(ledger, absent)
    named: Fields = {"ledger": {"path": "/x", "exists": False, "chosen_by": "AICO_LEDGER_PATH"}}
    assert "ledger       /x" in text_of(named, absent, source("codex", origin("log")))


def test_status_counts_sessions_of_the_future() -> None:
    """They are in no sum of today or this month, which a person must be told."""
    future = source("cline", origin(), future_sessions=2, future_cost_usd=10)
    assert "             2 sessions, $10.00, are dated in the future: only All" in text_of({}, future)
    assert "1 session, without a price, is dated" in text_of({}, source("cline", origin(), future_sessions=1))
    silent = text_of({}, source("cline", origin(), unmeasured_requests=1))
    assert "             1 record without numbers: what they cost is not known" in silent
    assert "without numbers" not in text_of({}, source("cline", origin(), unmeasured_requests=0))
    assert "future" not in text_of({}, source("cline", origin(), future_sessions=0))


def test_status_tells_how_far_a_first_reading_is() -> None:
    """A large one takes its time, and is no standstill."""
    reading = {"bytes_done": 1_500, "bytes_total": 4_000_000}
    assert "1.5 kB of 4.0 MB of the first reading done" in text_of({}, source("cline", origin(), reading=reading))


def test_status_says_how_the_session_store_is() -> None:
    """A line for it where it is asked for, with its trouble in words; a frozen ledger is named as that."""
    sessions = {"path": "/x", "exists": True, "written_at": 0, "task_count": 3, "watcher": {"state": "watching"}}
    assert "; watching" in text_of({"sessions": sessions})
    assert "; It is so." in text_of({"sessions": {**sessions, "problem": "It is so."}})
    assert "not there (yet)" in text_of({"sessions": {**sessions, "exists": False}})
    assert "sessions     " not in text_of({"sessions": None})
    frozen: Fields = {"ledger": {"exists": True, "written_at": 1, "frozen_since": 1}}
    assert "or writes elsewhere by now" in text_of(frozen)


def test_status_says_nothing_of_a_ledger_that_is_off() -> None:
    """A ledger that is not read is neither watched nor waited for."""
    status: Fields = {"ledger": {"path": "/x", "exists": False}, "watcher": {"state": "waiting", "reason": "off"}}
    off = source("cline", origin(enabled=False, state="off"), origin("sessions"))
    assert "ledger       " not in text_of(status, off)
    assert "watcher      " not in text_of(status, off)
    assert "ledger       /x" in text_of(status, source("cline", origin()))


def test_status_says_how_long_a_state_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span, never "since 31 seconds ago"."""
    monkeypatch.setattr(time, "time", lambda: 100.5)
    for since, words in ((100_000, "less than a second"), (99_000, "1 second"), (69_000, "31 seconds")):
        text = text_of({"ledger": {}, "watcher": {"state": "watching", "since": since}})
        assert f"watcher      watching for {words}\n" in text


def test_status_says_how_kimi_proxy_is() -> None:
    """A line for it where one is named, with the reason."""
    proxy = {"state": "down", "reason": "no_answer", "since": 0}
    assert "kimi proxy   down (no_answer) for " in text_of({"kimi_proxy": proxy})
    assert "kimi" not in text_of({"kimi_proxy": None})


def test_status_tells_who_waits_for_a_ledger_where_newer_cline_writes() -> None:
    """The setting is named while there is no ledger, and no longer when it is set."""
    missing: Fields = {"ledger": {"exists": False}}
    assert "AICO_CLINE_SESSIONS=true" in text_of(missing)
    degraded: Fields = {"path": "/x", "watcher": {"state": "degraded"}}
    text = text_of({**missing, "sessions": degraded})
    assert ("AICO_CLINE_SESSIONS" in text, "is read too" in text) == (False, False)


@pytest.mark.parametrize("ledger", [{"exists": False}, {"exists": True, "written_at": 1, "frozen_since": 1}])
def test_status_gives_no_advice_that_was_followed(ledger: Fields) -> None:
    """With the session store read, a ledger that newer Cline leaves alone is nothing to look after."""
    text = text_of({"ledger": ledger, "sessions": {"path": "/x", "watcher": {"state": "watching"}}})
    assert "is read too" in text
    assert "doctor" not in text


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the clock stand: a pause of the machine is no second that has passed."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    return 1_800_000_000_000


def test_limit_of_a_plan_says_what_is_used_or_that_this_is_not_known(now: int) -> None:
    """With the length of its window, when that begins anew, and when it was told."""
    limit: Fields = {"source": "codex", "window": "primary", "window_minutes": 300, "used_share": 0.125, "as_of": now}
    told = _describe_limit({**limit, "resets_at": now + 7_300_000})
    assert told == "limit        codex, window of 5 h: 12% used, begins anew in 2 h (told just now)"
    told = _describe_limit({**limit, "window_minutes": None, "used_share": None, "resets_at": now - 1})
    assert told == "limit        codex, primary: began anew since (told just now)"
    own: Fields = {"source": "claude-code", "window": "five_hours", "used_usd": 3.2, "origin": "estimate"}
    assert (
        _describe_limit(own) == "limit        claude-code, five hours: $3.20 used, its limit is not stated (estimate)"
    )
    assert _describe_limit({**own, "used_usd": None, "used_share": None, "limit_usd": 1}) == (
        "limit        claude-code, five hours: $1.00 stated; not measured, since the tool records no cost, and no list "
        "price is known (estimate)"
    )
    own |= {"used_share": 0.25, "resets_at": now + 7_300_000}
    told = "limit        claude-code, five hours: $3.20, 25% used, begins anew in 2 h (estimate)"
    assert _describe_limit(own) == told
    assert "at least $3.20, 25% used" in _describe_limit({**own, "at_least": True})
    budget: Fields = {"plan": "my day", "window": "day", "used_usd": 4.0, "used_share": 0.8, "origin": "budget"}
    assert _describe_limit(budget) == "budget       my day, a day: $4.00, 80% used"


def test_status_says_how_the_way_out_is(now: int) -> None:
    """When it was accepted last, and what is wrong since when; without a collector, nothing."""
    well: Fields = {"endpoint": "h:4317", "state": "accepted", "since": now - 90_000_000, "accepted_at": now - 125_000}
    ill: Fields = {**well, "state": "token_refused", "since": now - 7_300_000, "accepted_at": None}
    assert _describe_export(None) == []
    assert _describe_export(well) == ["collector    h:4317: last accepted 2 minutes ago"]
    assert _describe_export(ill) == [
        "collector    h:4317: refused: token for 2 hours; last accepted never",
    ]
