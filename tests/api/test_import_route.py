"""POST /api/cline/import: what a body may say, what the receipt says, and every way in which it fails."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from aico.core import errors
from aico.features.files import whole_file
from aico.features.files.snapshot import read_snapshot
from tests.api.answer_checks import check_problem, check_security_headers
from tests.api.conftest import Api, Serve
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry, ledger_bytes
from tests.quick_variants import first_is_quick

ROUTE = "/api/cline/import"
RECEIPT = {
    "imported_count",
    "skipped_count",
    "error_count",
    "latest_ts",
    "added_count",
    "updated_count",
    "partial_count",
    "remaining_count",
    "revision",
    "duration_ms",
    "rejections",
    "trigger",
}


async def post(api: Api, body: bytes, content_type: str | None = "application/json") -> httpx.Response:
    """Ask for an import with ``body``."""
    headers = {} if content_type is None else {"content-type": content_type}
    return await api.client.post(ROUTE, content=body, headers=headers)


@pytest.mark.parametrize(
    "content_type", first_is_quick(None, "application/json", "text/plain", "application/x-www-form-urlencoded")
)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b" \r\n", b'{"path": null}', b' {"path" : null}\n', b" null "])
async def test_import_takes_a_body_without_a_path_under_any_content_type(
    api: Api, body: bytes, content_type: str | None
) -> None:
    """A caller that names no path gets a receipt, whatever its client declares."""
    api.ledger.write(entry("1"))
    response = await post(api, body, content_type)
    assert response.status_code == 200
    assert set(response.json()) == RECEIPT
    check_security_headers(response.headers)


async def test_import_takes_the_exact_path(api: Api) -> None:
    """The allowlisted path, letter for letter, is the same as no path; escapes of JSON are letters, too."""
    api.ledger.write(entry("1"))
    path = api.settings.ledger_path
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in path)
    for body in (json.dumps({"path": path}), f'{{"path": "{escaped}"}}'):
        assert (await post(api, body.encode())).status_code == 200


SPELLINGS: dict[str, Callable[[str], str]] = {
    "empty": lambda _path: "",
    "blank": lambda _path: " ",
    "dot-dot": lambda path: path.replace("/cline/", "/cline/../cline/"),
    "dot": lambda path: path.replace("/cline/", "/./cline/"),
    "double slash": lambda path: path.replace("/cline/", "//cline/"),
    "leading double slash": lambda path: f"/{path}",
    "trailing slash": lambda path: f"{path}/",
    "trailing space": lambda path: f"{path} ",
    "trailing newline": lambda path: f"{path}\n",
    "relative": lambda path: path[1:],
    "bare name": lambda _path: "taskHistory.json",
    "home": lambda _path: "~/.cline/data/state/taskHistory.json",
    "other case": lambda path: path.upper(),
    "other case of the name": lambda path: path.replace("taskHistory", "taskhistory"),
    "percent": lambda path: path.replace("/cline", "%2fcline"),
    "percent letter": lambda path: path.replace("taskHistory", "%74askHistory"),
    "full-width letter": lambda path: path.replace("taskHistory", "\uff54askHistory"),
    "cyrillic letter": lambda path: path.replace("task", "t\u0430sk"),
    "combining": lambda path: path.replace("json", "json\u0301"),
    "zero width": lambda path: path.replace("task", "ta\u200bsk"),
    "nul": lambda path: f"{path}\0",
    "nul and more": lambda path: f"{path}\0.png",
    "backslashes": lambda path: path.replace("/", "\\"),
    "file url": lambda path: f"file://{path}",
    "neighbour": lambda path: path.replace("taskHistory", "secrets"),
    "directory": lambda path: path.rpartition("/")[0],
    "passwd": lambda _path: "/etc/passwd",
    "proc": lambda path: f"/proc/self/root{path}",
    "variable": lambda _path: "$HOME/.cline/data/state/taskHistory.json",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_import_refuses_every_other_path_and_spelling(api: Api, spelling: str) -> None:
    """Anything but the allowlisted path, letter for letter, is refused before anything is opened, and not repeated."""
    api.ledger.write(entry("1"))
    path = SPELLINGS[spelling](api.settings.ledger_path)
    response = await post(api, json.dumps({"path": path}).encode())
    detail = check_problem(response, errors.LedgerPathRefused)
    assert not path.strip() or path not in detail


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"{",
            b"[]",
            b"1",
            b'"path"',
            b"true",
            b"NULL",
            b"\xff\xfe",
            b'{"path": 1}',
            b'{"path": true}',
            b'{"path": []}',
        ),
        *(b'{"path": {}}', b'{"path": null, "force": true}', b'{"Path": null}', b"path=/etc/passwd", b"{}{}", b"\0"),
        *(b'{"path": "\\ud800"}', b"[" * 20_000, b'{"a":' * 9_000, b"nul", b"NaN"),
    ],
)
async def test_import_refuses_a_body_of_another_shape(api: Api, body: bytes) -> None:
    """Junk, wrong types and extra keys are 422, and nothing of the body is repeated."""
    api.ledger.write(entry("1"))
    response = await post(api, body)
    assert "passwd" not in response.text
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "ledger_format")
    assert response.headers["content-type"] == "application/problem+json"


async def test_receipt_counts_each_entry_of_the_file_once(api: Api) -> None:
    """Imported, skipped, refused and remaining add up to the entries; the refused are named by place and code only.

    An entry with a number that cannot be used is taken without it, and counted.
    """
    partial = {**entry("partial"), "tokensIn": -1}
    api.ledger.write(entry("1"), entry("2", ts=1_772_000_000_001), entry("2"), partial, None)
    first = (await api.import_ledger()).json()
    watched = first["imported_count"] == 0  # the watcher may have been faster
    assert first["imported_count"] + first["skipped_count"] == 4
    assert (first["error_count"], first["partial_count"]) == (1, 1)
    assert first["remaining_count"] == 0
    assert first["rejections"] == [{"origin": "ledger", "index": 4, "code": "not_an_object", "field": None}]
    assert first["latest_ts"] == 1_772_000_000_001
    assert first["revision"] == 1
    assert first["trigger"] == "request"
    assert watched or first["added_count"] == 3
    second = (await api.import_ledger()).json()
    assert (second["imported_count"], second["skipped_count"], second["revision"]) == (0, 4, 1)
    assert second["rejections"] == first["rejections"]
    assert PRIVATE not in str(first) + str(second)


async def test_receipt_tells_what_remains_and_the_service_goes_on(serve: Serve) -> None:
    """A large change is written in runs: the first is answered, the others follow without being asked for."""
    async with serve(max_entries_per_run=2, tick_s=3_600, rescan_interval_s=0) as api:
        with api.service.hub.subscribe(None, None) as subscription:
            api.ledger.write(*(entry(str(number), ts=number) for number in range(5)))
            receipt = (await api.import_ledger()).json()
            messages: list[dict[str, object]] = []
            while len(messages) < 3:
                message = json.loads(await subscription.get() or "")
                messages += [message] if message["type"] == "cline_usage_updated" else []
        assert [message["revision"] for message in messages] == [1, 2, 3]
        assert [message["imported_count"] for message in messages] == [2, 2, 1]
        counted = sum(receipt[f"{name}_count"] for name in ("imported", "skipped", "error", "remaining"))
        assert counted == 5
        assert (await api.get("/api/cline/usage")).json()["total"] == 5


def make_fifo(ledger: LedgerFile) -> None:
    """Put a FIFO in the ledger's place."""
    os.mkfifo(ledger.path)


def make_directory(ledger: LedgerFile) -> None:
    """Put a directory in the ledger's place."""
    ledger.path.mkdir()


def make_symlink(ledger: LedgerFile) -> None:
    """Put a link to a ledger in the ledger's place."""
    ledger.write(entry("secret"))
    ledger.link_to(ledger.path.rename(ledger.path.with_name("real.json")))


def make_dangling_symlink(ledger: LedgerFile) -> None:
    """Put a link to nothing in the ledger's place."""
    ledger.path.symlink_to("nothing")


def make_hard_link(ledger: LedgerFile) -> None:
    """Give the ledger a second name."""
    ledger.write(entry("secret"))
    ledger.path.with_name("second.json").hardlink_to(ledger.path)


def make_linked_parent(ledger: LedgerFile) -> None:
    """Put a link in the place of the ledger's directory."""
    ledger.write(entry("secret"))
    ledger.link_folder_to(ledger.rename_folder("elsewhere"))


def make_file_parent(ledger: LedgerFile) -> None:
    """Put a file in the place of the ledger's directory."""
    ledger.remove_folder()
    ledger.folder.write_text("no directory")


@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_directory,
        make_symlink,
        make_dangling_symlink,
        make_hard_link,
        make_linked_parent,
        make_file_parent,
    ],
)
async def test_import_refuses_what_is_no_plain_file(
    serve: Serve, ledger: LedgerFile, make: Callable[[LedgerFile], None]
) -> None:
    """Anything else at the path, or on the way to it, is refused and never read."""
    make(ledger)
    async with serve() as api:
        check_problem(await api.import_ledger(), errors.LedgerPathRefused)
        assert (await api.get("/api/cline/usage")).json()["total"] == 0


async def test_import_answers_404_without_a_ledger(api: Api) -> None:
    """A file that does not exist is named with what to do about it."""
    assert api.settings.ledger_path in check_problem(await api.import_ledger(), errors.LedgerNotFound)


async def test_import_answers_413_for_a_ledger_beyond_the_limit(serve: Serve) -> None:
    """A file above ``max_ledger_bytes`` is not read; the answer says size and limit."""
    async with serve(max_ledger_bytes=100) as api:
        api.ledger.write(entry("1"))
        detail = check_problem(await api.import_ledger(), errors.LedgerTooLarge)
        assert "100" in detail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b'"text"',
        b"[1,",
        b"not json",
        b"[] []",
        b"\xff\xfe[\0]\0",
        ledger_bytes(1)[:-1],
    ],
)
async def test_import_answers_422_for_a_file_that_is_no_ledger(api: Api, content: bytes) -> None:
    """A file at rest that is no JSON array in UTF-8 is 422, and nothing of it is repeated."""
    api.ledger.overwrite(content)
    detail = check_problem(await api.import_ledger(), errors.LedgerFormat)
    assert "text" not in detail
    assert ("it is UTF-16: save it as UTF-8" in detail) == content.startswith(b"\xff\xfe")


async def test_import_answers_503_for_a_file_that_never_rests(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes during every attempt is tried again later, and the answer says when."""

    def read_changing(*of_file: object) -> object:
        return replace(read_snapshot(*of_file), stable=False)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(whole_file, "read_snapshot", read_changing)
    api.ledger.write(entry("1"))
    check_problem(await api.import_ledger(), errors.LedgerUnstable, retry=True)


async def test_import_answers_503_for_a_file_that_may_not_be_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of the operating system is named by its code, not by its words."""

    def refuse(*_of_file: object) -> None:
        raise errors.LedgerUnreadable("EACCES")

    api.ledger.write(entry("1"))
    monkeypatch.setattr(whole_file, "read_snapshot", refuse)
    check_problem(await api.import_ledger(), errors.LedgerUnreadable)


@pytest.mark.slow
async def test_import_answers_503_while_another_program_holds_the_database(api: Api) -> None:
    """A database that is locked for longer than a request may wait is busy, and readable meanwhile."""
    api.ledger.write(entry("1"))
    await api.import_ledger()
    with closing(sqlite3.connect(api.settings.database_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        api.ledger.write(entry("1"), entry("2"))
        check_problem(await api.import_ledger(), errors.StorageBusy, retry=True)
        assert (await api.get("/api/cline/usage")).json()["total"] == 1
        other.execute("ROLLBACK")
    assert (await api.import_ledger()).status_code == 200
    assert (await api.get("/api/cline/usage")).json()["total"] == 2


async def test_import_answers_500_when_the_database_fails(api: Api) -> None:
    """A database that lost a table is an error of the storage, without the driver's words."""
    with closing(sqlite3.connect(api.settings.database_path)) as other:
        other.execute("DROP TABLE usage_event")
    api.ledger.write(entry("1"))
    detail = check_problem(await api.import_ledger(), errors.StorageError)
    assert "usage_event" not in detail


async def test_bug_answers_500_as_a_problem(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is told as one, with the security headers, and only the log holds its trace."""

    def break_down(_trigger: object, _source: object) -> None:
        raise ZeroDivisionError("an injected bug")

    monkeypatch.setattr(api.service.sources, "read", break_down)
    detail = check_problem(await api.import_ledger(), errors.ObserverError)
    assert "injected" not in detail
    assert "ZeroDivisionError: an injected bug" in caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_import_takes_no_other_method(api: Api, method: str) -> None:
    """Nothing changes by any other method, and the answer names the one that there is."""
    response = await api.client.request(method, ROUTE)
    check_problem(response, errors.MethodNotAllowed)
    assert response.headers["allow"] == "POST"
