"""The commands' use of the answers of the service that holds the lock, and their name for themselves."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aico.api.forget_routes import ForgetRequest
from aico.api.security import BODY_MAX_BYTES
from aico.api.session_routes import LabelRequest
from aico.cli import imports
from aico.core.errors import ServiceUnreachable
from aico.core.usage import Trigger
from aico.proxy.running_service import RunningService


@asynccontextmanager
async def answering(body: bytes, status: int = 200, asked: list[bytes] | None = None) -> AsyncIterator[RunningService]:
    """Stand in for a process that answers every request with ``body``, and notes what it was asked in ``asked``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None and (length := re.search(rb"(?i)content-length: (\d+)", head)):
            asked.append(await reader.readexactly(int(length[1])))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield RunningService(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
async def test_answer_of_a_stranger_is_no_answer(body: bytes) -> None:
    """Something else at the service's address is told as a service that does not answer."""
    async with answering(body) as service:
        with pytest.raises(ServiceUnreachable):
            await service.get_status()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"null", b"\xff"])
async def test_list_of_a_stranger_is_no_list(body: bytes) -> None:
    """Sources are a list; anything else is not what the service says."""
    async with answering(body) as service:
        with pytest.raises(ServiceUnreachable):
            await service.list_sources()


@pytest.mark.parametrize(
    ("names", "most"),
    [
        ([f"{number:x}" for number in range(450)], [200, 200, 50]),
        ([f"{number:_>256}" for number in range(400)], [189, 189, 22]),
        ([f"{number:é>256}" for number in range(50)], [32, 18]),
        ([f'"\\\x01{number}' for number in range(201)], [200, 1]),
        (["one"], [1]),
    ],
    ids=["many", "long", "accents", "escapes", "one"],
)
async def test_names_to_forget_come_in_requests_that_the_service_takes(names: list[str], most: list[int]) -> None:
    """Each name is said once, in order; no request holds more than the service reads."""
    asked: list[bytes] = []
    async with answering(b"{}", asked=asked) as service:
        await service.forget("codex", names, None)
    parts = [ForgetRequest.model_validate_json(body).sessions or [] for body in asked]
    assert [len(part) for part in parts] == most
    assert [name for part in parts for name in part] == names
    assert max(map(len, asked)) <= BODY_MAX_BYTES


async def test_name_of_a_session_is_text_and_its_id_part_of_the_address() -> None:
    """An id of any characters names one session; null takes its name away."""
    asked: list[bytes] = []
    async with answering(b"{}", asked=asked) as service:
        await service.set_label("claude-code", "a/b&c=d é", None)
        await service.set_label("claude-code", "s", "日本")
    assert [LabelRequest.model_validate_json(body).label for body in asked] == [None, "日本"]


async def test_sessions_before_a_moment_are_one_request() -> None:
    """Nothing is named, so nothing is cut into parts."""
    asked: list[bytes] = []
    async with answering(b"{}", asked=asked) as service:
        await service.forget("codex", [], 7)
    assert [json.loads(body) for body in asked] == [{"source": "codex", "before": 7}]


async def test_receipts_of_the_service_are_handed_on() -> None:
    """The service's answer gives the receipts of the command, and beside them the places that could not be read."""
    answer = {"receipts": [{"imported_count": 2}], "failures": [{"code": "ledger_format"}], "commit_seq": 7}
    async with answering(json.dumps(answer).encode()) as service:
        assert await service.import_all(None) == answer
        told = (await imports._ask(service, None)).as_object()
    assert (told["receipts"], told["failures"], told["commit_seq"]) == tuple(answer.values())


def test_sentence_says_that_the_service_goes_on() -> None:
    """A receipt with a remainder comes from a service, which goes on by itself."""
    fields: dict[str, object] = {"source": "invented", "imported_count": 3, "added_count": 1, "skipped_count": 0}
    text = imports._sentence({**fields, "error_count": 0, "partial_count": 2, "remaining_count": 4}, dry_run=False)
    counts = "Imported 3 records of invented (1 new), 0 unchanged, 2 in part"
    assert text == f"{counts}; the service goes on with 4 more."
    done = {**fields, "source": "cline", "error_count": 1, "partial_count": 0, "remaining_count": 0}
    assert imports._sentence(done, dry_run=True) == "Would import 3 tasks (1 new), 0 unchanged, 1 refused."


def test_receipts_add_up_to_one_object() -> None:
    """A script that knows one receipt reads the sums of all sources; each refused entry says whose it is."""
    refused: dict[str, object] = {"index": 1, "code": "missing", "field": "id"}
    one: dict[str, object] = {"source": "a", "imported_count": 3, "duration_ms": 0.5, "rejections": [refused]}
    two: dict[str, object] = {"source": "b", "imported_count": 4, "duration_ms": 0.25, "rejections": []}
    told = imports._Told([one, two], [], Trigger.REQUEST, 7, 1_000).as_object()
    assert (told["imported_count"], told["duration_ms"], told["revision"], told["latest_ts"]) == (7, 0.75, 7, 1_000)
    assert told["rejections"] == [{"source": "a", **refused}]
    assert (told["receipts"], told["trigger"]) == ([one, two], "request")
