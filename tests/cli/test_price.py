"""``aico price``: alone, and beside a running service."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from aico.cli import main
from tests.calm_zone import calm_zone
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry, now_ms
from tests.e2e.forked_aico import ForkedServerProcess
from tests.e2e.server_process import ServerProcess, database_path, environment, ledger_path, prepare_database
from tests.users_things_guard import SETTINGS_OF_USERS

OWN = "SELECT SUM(own_usd) * 1000000000 + SUM(own_nano) FROM usage_total"
PRICE = {
    "model": "kimi-k2*",
    "valid_from": "2020-03-01",
    "input": 0.6,
    "output": 2.5,
    "fixed": False,
    "cache_read": 0.1,
    "cache_write_5m": None,
    "cache_write_1h": None,
}


class Say(Protocol):
    """Runs ``aico price`` with arguments."""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Return what it says."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all the machine has, for this process and those that it starts."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in list(os.environ):
        if name.startswith(SETTINGS_OF_USERS) and name not in environment(tmp_path):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(params=[False, True], ids=["alone", "beside a service"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess | None]:
    """Let the command run by itself, and once more beside a service; a task has no price."""
    LedgerFile(ledger_path(folder)).write(entry("1", model="kimi-k2.6", cost=0))
    prepare_database(folder)
    if not request.param:
        assert main(["import"]) == 0
        yield None
        return
    with ForkedServerProcess(folder) as server:
        assert main(["import"]) == 0
        yield server


@pytest.fixture
def say(folder: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Return what runs ``aico price``, and returns what it says on the stream that belongs to its code."""

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        ended: str | int | None
        try:
            ended = main(["price", *arguments])
        except SystemExit as exit_:
            ended = exit_.code
        said = capsys.readouterr()
        assert (ended, said.err if code == 0 else said.out) == (code, "")
        return said.out if code == 0 else said.err

    return run


def test_price_is_set_listed_tried_and_removed(server: ServerProcess | None, folder: Path, say: Say) -> None:
    """When a command ends, all that is stored follows; the model without a price is named until it has one."""
    assert "kimi-k2.6, 1,100 tokens" in say("list")
    said = say(
        *("set", "kimi-k2*", "--input", "0.6", "--output", "$2.50"),
        *("--cache-read", "0.1", "--from", "2020-03-01"),
    )
    assert "2020-03-01  kimi-k2*" in said
    assert next(line for line in said.splitlines() if "kimi-k2*" in line).split()[2:] == (
        ["$0.60", "$0.10", "as", "input", "as", "input", "$2.50"]
    )
    assert said.replace("python -m aico", "aico").splitlines()[-2:] == [
        "Changed: 1 stored record; unpriced before, <$0.01 now.",
        "To take it back: aico price remove 'kimi-k2*' --from 2020-03-01",
    ]
    path = database_path(folder)
    assert read_rows(path, OWN) == [(850_000,)]
    assert json.loads(say("list", "--json")) == [PRICE]
    assert "Without a price" not in say("list")
    assert "your own price of kimi-k2*, from 2020-03-01 on" in say("test", "kimi-k2.6").replace("\n", " ")
    again = say("set", "kimi-k2*", "--input", "600", "--output", "2500", "--from", "2020-03-01").splitlines()
    assert again[-2].startswith("Changed: 1 stored record; <$0.01 before, $")
    undo = again[-1].replace("python -m aico", "aico").removeprefix("To take it back: aico price ")
    assert undo == "set 'kimi-k2*' --input 0.6 --cache-read 0.1 --output 2.5 --from 2020-03-01"
    same = say(*shlex.split(undo))
    assert read_rows(path, OWN) == [(850_000,)]
    assert say(*shlex.split(undo)).splitlines()[-2] == "No stored record costs anything else now."
    assert same.splitlines()[-2].endswith(" before, <$0.01 now.")
    assert say("remove", "KIMI-K2*").splitlines() == [
        "Removed: KIMI-K2*.",
        "Changed: 1 stored record; <$0.01 before, unpriced now.",
    ]
    assert read_rows(path, OWN) == [(0,)]
    assert failed_checks(path) == []


def test_slip_is_told_and_nothing_changes(folder: Path, say: Say) -> None:
    """Wrong usage ends with 2, what is not there with 1, each in a sentence."""
    for arguments, words in (
        (("set", "m", "--input", "-1", "--output", "1"), "--input must be a number of dollars from 0 on"),
        (("set", "m", "--input", "nan", "--output", "1"), "--input must be a number"),
        (("set", "m", "--input", "1", "--output", "1", "--cache-write-1h", "1e9"), "--cache-write-1h must be at most"),
        (("set", "a*b", "--input", "1", "--output", "1"), "MODEL or --from may hold '*' at its end only"),
        (("set", "m", "--input", "one", "--output", "1"), "'one' is no amount such as 0.6"),
        (("set", "m", "--input", "1"), "required: --output"),
    ):
        assert words in say(*arguments, code=2)
    prepare_database(folder)
    assert "price_unknown" in say("remove", "m", code=1)
    assert say("list") == "No own prices.\n"


def test_price_of_the_file_is_shown_and_not_changed(folder: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed as the file's, also before there is a database; the command names the file's say."""
    config = folder / "config.toml"
    config.write_text('[[prices]]\nmodel = "local"\ninput = 0\noutput = 0\n', encoding="utf-8")
    monkeypatch.setenv("AICO_CONFIG", str(config))
    assert "local (file)" in say("list")
    assert json.loads(say("test", "LOCAL", "--json"))["basis"] == "own"
    prepare_database(folder)
    assert "price_fixed" in say("set", "local", "--input", "1", "--output", "1", code=1)


def test_review_shows_and_changes_only_when_told(folder: Path, say: Say) -> None:
    """Without anything to change it says so; a stored price of an older list is shown with both values."""
    LedgerFile(ledger_path(folder)).write(entry("1"))
    prepare_database(folder)
    main(["import"])
    assert "changes no price that is stored" in say("review")
    with closing(sqlite3.connect(database_path(folder))) as connection, connection:
        connection.executescript(
            """
            INSERT INTO price_ref (id, list, entry) VALUES (9, 'genai-prices 0.0.1', 'anthropic/claude-opus-4-8');
            INSERT INTO model (id, name) VALUES (9, 'claude-opus-4-8');
            INSERT INTO session SELECT 9, source, 's', NULL, first_ts, last_ts, 9, 0, seen_at, NULL, NULL FROM session;
            INSERT INTO usage_event (source, kind, key_high, key_low, origin, session, ts, model, input, cache_read,
                cache_write_5m, cache_write_1h, output, list_nano, price_ref, context, state, unknown)
            VALUES (1, 0, 1, 1, 1, 9, 1772000100000, 9, 1000000, 0, 0, 0, 0, 7000000000, 9, '', 0, '');
            """
        )
    said = say("review")
    assert "would change the list price of 1 request." in said
    assert "$7.00" in said
    assert "$5.00" in said
    assert "What things cost would change by -$2.00." in said
    assert "has changed the list price of 1 request." in say("review", "--apply")
    assert "changes no price that is stored" in say("review")


def test_amounts_are_said_in_a_currency_of_the_command_or_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its code at each amount and its rate and day below; JSON stays in dollars; the file's say comes first."""
    monkeypatch.setenv("TZ", calm_zone())
    LedgerFile(ledger_path(folder)).write(entry("1", ts=now_ms(), cost=4.18))
    prepare_database(folder)
    assert main(["import"]) == 0
    assert main(["currency", "set", "eur", "--rate", "0.92", "--on", "2026-02-03"]) == 0
    capsys.readouterr()
    for words, amount in (([], "EUR 3.85"), (["report"], "EUR 3.85")):
        assert main(words) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert amount in said
        assert "$" not in said
        assert "Amounts in EUR, at your rate of 0.92 to the US dollar, Feb 03 2026" in said
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["cost_usd"] == 4.18
    told = {"code": "EUR", "per_usd": 0.92, "as_of": "2026-02-03", "fixed": False}
    for asked in (["currency", "show", "--json"], ["currency", "--json"], ["--json", "currency", "show"]):
        assert main(asked) == 0
        assert json.loads(capsys.readouterr().out) == told
    config = folder / "config.toml"
    config.write_text('[currency]\ncode = "CHF"\nper_usd = 0.5\nas_of = 2026-02-03\n', encoding="utf-8")
    monkeypatch.setenv("AICO_CONFIG", str(config))
    main(["status", "--short"])
    assert capsys.readouterr().out.startswith("CHF 2.09 today")
    assert main(["currency", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"code": "CHF", "per_usd": 0.5, "as_of": "2026-02-03", "fixed": True}
    assert main(["currency", "remove"]) == 1
    monkeypatch.delenv("AICO_CONFIG")
    assert main(["currency", "set", "EUR", "--rate", "-1"]) == 2
    assert "--rate must be a number above 0" in capsys.readouterr().err
    assert main(["currency", "remove"]) == 0
    main(["status", "--short"])
    assert "$4.18 today" in capsys.readouterr().out
