"""Parts of the commands that a child process cannot be brought to: failures of the machine, words of the box."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import os
import signal
import socket
import webbrowser
from pathlib import Path

import pytest

from aico import cli
from aico.cli import EXIT_FAILED, EXIT_OK, main, serve, words
from aico.cli.box import describe_age, describe_size, draw_box
from aico.cli.log import NOISE_MAX, NOISE_WINDOW_S, BoundedNoise, JsonFormatter
from aico.cli.serve import listen
from aico.core.address import url_of
from aico.core.errors import PortTaken, ServiceRefusal, SettingsError
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService
from tests.e2e.server_process import environment


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this process the variables of a machine that keeps everything in one folder."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (0.9, "just now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7_200, "2 hours ago"),
        (86_400, "1 day ago"),
        (1e7, "115 days ago"),
    ],
)
def test_age_is_told_in_the_largest_unit_that_it_fills(seconds: float, text: str) -> None:
    """A person reads one number and one unit."""
    assert describe_age(seconds) == text


def test_size_is_told_in_the_largest_unit_that_it_fills() -> None:
    """Small files are told finely, large ones coarsely."""
    sizes = (0, 1, 999, 1_234, 2_345_678, 80_656_300_000)
    assert [describe_size(size) for size in sizes] == ["0 bytes", "1 byte", "999 bytes", "1.2 kB", "2.3 MB", "80.7 GB"]


def test_box_is_straight_also_around_wide_characters() -> None:
    """Text of other scripts takes two columns in a terminal, and the frame knows."""
    lines = draw_box("観測", [("Path", "/home/観測/x"), ("", "plain")])
    widths = {sum(2 if "\u3000" < character < "\uffff" else 1 for character in line) for line in lines}
    assert len(widths) == 1


def test_interrupted_command_is_no_success(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of an import means that it was not done; at a service it is how one ends it."""

    def interrupt(_options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("aico.cli.imports.import_once", interrupt)
    monkeypatch.setattr(serve, "serve", interrupt)
    assert main(["import"]) == EXIT_FAILED
    assert main(["serve"]) == EXIT_OK


@pytest.mark.parametrize(
    ("number", "kind", "word"),
    [
        (errno.EADDRINUSE, PortTaken, "taken"),
        (errno.EACCES, SettingsError, "Setting port"),
        (errno.EADDRNOTAVAIL, SettingsError, "Setting host"),
    ],
)
def test_listen_names_the_reason_and_the_setting(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], word: str
) -> None:
    """A taken port, one that may not be used, and an address that is not here are three different mistakes."""

    class Refusing(socket.socket):
        def bind(self, _address: object) -> None:
            raise OSError(number, "refused")

    monkeypatch.setattr("aico.cli.serve.socket.socket", Refusing)
    with pytest.raises(kind, match=word):
        listen("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8611"),
        ("localhost", "http://localhost:8611"),
        ("::1", "http://[::1]:8611"),
        ("0.0.0.0", "http://127.0.0.1:8611"),  # noqa: S104  # replaced
        ("::", "http://[::1]:8611"),
        ("192.0.2.7", "http://192.0.2.7:8611"),
    ],
)
def test_address_of_the_page_can_be_opened(host: str, url: str) -> None:
    """For any host, the printed address is one that a browser on this machine reaches."""
    values = {"ledger_path": "/cline/taskHistory.json", "host": host, "token": "a-token-of-the-operator"}
    settings = Settings.model_validate(values)
    assert url_of(settings) == url


async def test_answers_leave_at_once() -> None:
    """No part of an answer waits for the other side to acknowledge the one before: that would cost 40 ms each time."""
    accepted: asyncio.Queue[object] = asyncio.Queue()

    def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: socket.socket = writer.get_extra_info("socket")
        accepted.put_nowait(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(take, sock=listener):
            _reader, writer = await asyncio.open_connection(*listener.getsockname())
            assert await asyncio.wait_for(accepted.get(), 60)
            writer.close()
            await writer.wait_closed()


def test_listen_takes_addresses_of_both_families() -> None:
    """An address with colons is IPv6."""
    with listen("127.0.0.1", 0) as four, listen("::1", 0) as six:
        assert (four.family, six.family) == (socket.AF_INET, socket.AF_INET6)


def test_open_starts_the_browser_at_the_printed_address(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that is opened is the one that the box shows; here the browser ends the service at once."""
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    assert main(["serve", "--open"]) == EXIT_OK
    assert [url.startswith("http://127.0.0.1:") for url in opened] == [True]


def test_json_log_holds_the_trace_of_a_bug() -> None:
    """A line of the log is one object, also with an exception in it."""
    bug = ZeroDivisionError("a bug")
    record = logging.LogRecord("name", logging.ERROR, __file__, 1, "it %s", ("broke",), (type(bug), bug, None))
    line = JsonFormatter().format(record)
    content = json.loads(line)
    assert "\n" not in line
    assert (content["level"], content["message"]) == ("error", "it broke")
    assert "ZeroDivisionError: a bug" in content["trace"]


def noise(name: str, text: str) -> logging.LogRecord:
    """Return a record of the logger called ``name``."""
    return logging.LogRecord(name, logging.ERROR, __file__, 1, text, (), None)


def test_noise_of_libraries_is_bounded_by_kind_and_time() -> None:
    """A line that any page can provoke a thousand times is written a few times a minute; our own log always is."""
    now = 0.0
    bounded = BoundedNoise(lambda: now)
    first = [bounded.filter(noise("uvicorn.error", "broken handshake")) for _ in range(NOISE_MAX + 3)]
    assert first == [True] * NOISE_MAX + [False] * 3
    assert bounded.filter(noise("uvicorn.error", "something else"))
    assert all(bounded.filter(noise("aico.services.watcher", "ours")) for _ in range(NOISE_MAX + 1))
    now = NOISE_WINDOW_S
    assert bounded.filter(noise("uvicorn.error", "broken handshake"))


async def test_running_service_hands_on_refusals_in_plain_text() -> None:
    """Sentence, code and hint of the other process are told, and nothing of it steers the terminal."""
    refusal = ServiceRefusal("ledger_not_found", "There is \x1b[31mno ledger.", "Wait.\a")
    assert str(refusal) == "There is \ufffd[31mno ledger. [ledger_not_found] Wait.\ufffd"
    assert refusal.service_code == "ledger_not_found"
    assert RunningService("http://127.0.0.1:1", "secret")._headers == {"Authorization": "Bearer secret"}


def test_flags_of_knows_the_flags_that_were_given() -> None:
    """A flag that was not given leaves its setting to the other layers."""
    options = words.build_parser().parse_args(["serve", "--port", "1", "--ledger-path", "/x/taskHistory.json"])
    assert cli.flags_of(options) == {"port": "1", "ledger_path": "/x/taskHistory.json"}
    assert cli.flags_of(argparse.Namespace()) == {}
