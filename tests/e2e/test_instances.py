"""One writer per database, one program per port: what the second one says, and how it leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.core.instance_lock import InstanceLock
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.forked_aico import ForkedServerProcess, run_aico
from tests.e2e.server_process import database_path, ledger_path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForkedServerProcess]:
    """Serve a ledger of one task."""
    LedgerFile(ledger_path(tmp_path)).write(entry("1"))
    with ForkedServerProcess(tmp_path) as server:
        yield server


def test_second_server_says_where_the_first_is_and_leaves(server: ForkedServerProcess, tmp_path: Path) -> None:
    """A second start of the service tells its address, and that is success."""
    for _ in range(2):
        second = run_aico(tmp_path, "serve")
        assert second.returncode == 0
        assert server.url in second.stdout
        assert str(server.process.pid) in second.stdout
        assert "Traceback" not in second.stderr
    with server.client() as client:
        assert client.get("/healthz").json()["status"] == "ok"


def test_second_start_prints_a_fresh_link_to_sign_in(tmp_path: Path) -> None:
    """A user that knows the token and missed the first link gets another one by the same command."""
    settings = {"AICO_TOKEN": "a-token-of-the-operator"}
    with ForkedServerProcess(tmp_path, settings) as server, server.client() as client:
        second = run_aico(tmp_path, "serve", settings=settings)
        assert second.returncode == 0
        link = second.stdout.split()[-1]
        assert client.get(server.page).status_code == 401
        assert client.get(link).status_code == 303
        assert client.get("/api/cline/status").status_code == 200
        wrong = run_aico(tmp_path, "serve", settings={"AICO_TOKEN": "another-token-of-somebody"})
        assert "asks for its token" in wrong.stdout
        assert "login" not in wrong.stdout


def test_server_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    """A lock dies with its process: after a kill the next start simply serves."""
    with ForkedServerProcess(tmp_path) as first:
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    with ForkedServerProcess(tmp_path) as second, second.client() as client:
        assert client.get("/healthz").json()["status"] == "ok"
        assert second.stop() == 0
    assert InstanceLock(database_path(tmp_path)).find_holder() is None


def test_server_says_that_another_program_has_its_port(tmp_path: Path) -> None:
    """A port that is not ours is a failure with the one setting that helps, and no trace of a half start stays."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = run_aico(tmp_path, "serve", settings={"AICO_PORT": str(port)})
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert f"Port {port} of 127.0.0.1 is taken by another program." in ended.stderr
    assert "AICO_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert InstanceLock(database_path(tmp_path)).find_holder() is None


def test_import_asks_the_running_service(server: ForkedServerProcess, tmp_path: Path) -> None:
    """While a service holds the database, the command's import is the service's, by request."""
    LedgerFile(server.ledger).write(entry("1"), entry("2"))
    ended = run_aico(tmp_path, "import", "--json")
    assert ended.returncode == 0
    receipt = json.loads(ended.stdout)
    assert receipt["trigger"] == "request"
    assert receipt["imported_count"] + receipt["skipped_count"] == 2
    with server.client() as client:
        assert client.get("/api/cline/usage").json()["total"] == 2


def test_import_hands_on_the_refusal_of_the_running_service(server: ForkedServerProcess, tmp_path: Path) -> None:
    """The command says the service's answer: sentence, hint, and exit 1."""
    LedgerFile(server.ledger).unlink()
    ended = run_aico(tmp_path, "import")
    assert ended.returncode == 1
    assert ended.stderr.startswith("aico: There is no ledger at ")
    assert "`aico doctor` looks for both" in ended.stderr


def test_import_says_that_the_holder_of_the_lock_does_not_answer(tmp_path: Path) -> None:
    """A lock whose owner is deaf is said as such, with its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        lock = InstanceLock(database_path(tmp_path)).acquire(url)
        try:
            ended = run_aico(tmp_path, "import")
        finally:
            lock.release()
    assert ended.returncode == 1
    assert f"{url} does not answer" in ended.stderr


def test_import_waits_for_no_holder_without_an_address(tmp_path: Path) -> None:
    """Another command that writes just now has no address to ask: said, and exit 1."""
    lock = InstanceLock(database_path(tmp_path)).acquire()
    try:
        ended = run_aico(tmp_path, "import")
    finally:
        lock.release()
    assert ended.returncode == 1
    assert "already runs" in ended.stderr
    assert str(os.getpid()) in ended.stderr


def test_import_shows_the_token_to_the_running_service(tmp_path: Path) -> None:
    """The command knows the operator's token; without it the service refuses the command, too."""
    settings = {"AICO_TOKEN": "a-token-of-the-operator"}
    LedgerFile(ledger_path(tmp_path)).write(entry("1"))
    with ForkedServerProcess(tmp_path, settings):
        assert run_aico(tmp_path, "import", settings=settings).returncode == 0
        assert run_aico(tmp_path, "status", settings=settings).returncode == 0
        refused = run_aico(tmp_path, "import")
    assert refused.returncode == 1
    assert "asks for its token" in refused.stderr


def test_server_keeps_its_files_from_others(server: ForkedServerProcess) -> None:
    """Folder and files are for their owner only, while the service runs."""
    assert stat.S_IMODE(server.database.parent.stat().st_mode) == 0o700
    for path in server.database.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.slow
def test_server_can_be_reached_at_every_address_that_it_prints(tmp_path: Path) -> None:
    """The box shows an address that answers, whichever the service listens on."""
    settings = {"AICO_TOKEN": "a-token-of-the-operator"}
    for host, extra in (("127.0.0.2", {}), ("localhost", {}), ("0.0.0.0", settings)):  # noqa: S104  # with a token
        with ForkedServerProcess(tmp_path, {"AICO_HOST": host, **extra}) as server:
            with server.client() as client:
                assert client.get("/healthz").status_code == 200, host
            assert run_aico(tmp_path, "status", settings={"AICO_HOST": host, **extra}).returncode == 0


def test_server_says_that_it_cannot_listen_on_an_address(tmp_path: Path) -> None:
    """An address that this machine does not have is a mistake in the configuration, in one line."""
    settings = {"AICO_TOKEN": "a-token-of-the-operator"}
    for host in ("192.0.2.1", "no-such-host.invalid"):
        ended = run_aico(tmp_path, "serve", settings={"AICO_HOST": host, **settings})
        assert ended.returncode == 2, ended.stderr
        assert "host" in ended.stderr
        assert "Traceback" not in ended.stderr
