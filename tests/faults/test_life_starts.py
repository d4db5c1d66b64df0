"""Many starts at once on one database: at any moment one serves, and the others tell its address."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aico.cli import serve as serve_module
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_forker import ForkedServer, server_forker
from tests.e2e.server_process import database_path, ledger_path
from tests.faults.database_audit import audit
from tests.faults.fault_counts import count_of

AT_ONCE = 10
URL = "http://127.0.0.1:1"


def test_of_many_starts_at_once_one_serves_and_the_others_say_where(tmp_path: Path) -> None:
    """Ten starts of one moment, again and again, also after a kill: one address, and success for all."""
    rounds = count_of("starts of one moment, ten each", quick=2, soak=50)
    LedgerFile(ledger_path(tmp_path)).write(entry("1"))
    with server_forker() as services:
        for number in range(rounds):
            children = [services.start(tmp_path) for _ in range(AT_ONCE)]
            serving = [child for child in children if is_serving(child, children)]
            assert len(serving) == 1
            for child in children:
                if child is not serving[0]:
                    assert child.wait() == 0, child.output() + child.log()
                    assert f"already runs at {serving[0].url} (process {serving[0].pid})" in child.output()
                    assert child.log() == ""
            # The word of one that was killed stays in the file of the lock for the next round.
            wanted = signal.SIGKILL if number % 2 == 0 else signal.SIGTERM
            serving[0].send(wanted)
            assert serving[0].wait() == (-wanted if wanted is signal.SIGKILL else 0)
    assert set(audit(database_path(tmp_path)).tasks) <= {"1"}


def is_serving(child: ForkedServer, children: list[ForkedServer]) -> bool:
    """Return whether ``child`` is the one that serves, when it has said something."""
    deadline = time.monotonic() + 40
    while not child.output():
        assert time.monotonic() < deadline, [each.log() for each in children]
        time.sleep(0.01)
    return "already runs" not in child.output()


@pytest.fixture
def first(tmp_path: Path) -> InstanceLock:
    """Return the lock of an instance that has not said where it is."""
    return InstanceLock(tmp_path / "observer.db").acquire()


def on_each_look(monkeypatch: pytest.MonkeyPatch, *happenings: object) -> list[float]:
    """Let something happen each time the second instance waits; return the times that it waited."""
    waits: list[float] = []
    left = list(happenings)

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        happening = left.pop(0) if left else None
        if callable(happening):
            happening()

    clock = SimpleNamespace(monotonic=lambda: sum(waits), sleep=sleep)
    monkeypatch.setattr(serve_module, "time", clock)
    return waits


def test_second_instance_waits_until_the_first_has_said_where_it_is(
    tmp_path: Path, first: InstanceLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between lock and port there is no address yet; the second one waits for it, and then knows it."""
    waits = on_each_look(monkeypatch, None, lambda: first.announce(URL))
    with pytest.raises(InstanceRunning) as caught:
        serve_module._take(InstanceLock(tmp_path / "observer.db"))
    first.release()
    assert (caught.value.pid, caught.value.url) == (os.getpid(), URL)
    assert len(waits) == 2


def test_second_instance_does_not_take_the_word_of_a_dead_one(
    tmp_path: Path, first: InstanceLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that a killed process left in the file is not that of the first instance."""
    child = os.posix_spawn(shutil.which("true") or "true", ["true"], {})
    os.waitpid(child, 0)
    first.path.write_text(f'{{"pid": {child}, "url": "http://127.0.0.1:2"}}', encoding="utf-8")
    on_each_look(monkeypatch, lambda: first.announce(URL))
    with pytest.raises(InstanceRunning) as caught:
        serve_module._take(InstanceLock(tmp_path / "observer.db"))
    first.release()
    assert caught.value.url == URL


def test_second_instance_takes_the_place_of_a_first_one_that_gave_up(
    tmp_path: Path, first: InstanceLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first one that ends before it listens leaves its place to the one that waits."""
    on_each_look(monkeypatch, first.release)
    second = InstanceLock(tmp_path / "observer.db")
    serve_module._take(second)
    assert second.find_holder() is not None
    second.release()


def test_second_instance_waits_for_no_address_without_end(
    tmp_path: Path, first: InstanceLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that only writes never has an address: the start gives up after a while, and names its process."""
    waits = on_each_look(monkeypatch)
    with pytest.raises(InstanceRunning) as caught:
        serve_module._take(InstanceLock(tmp_path / "observer.db"))
    first.release()
    assert (caught.value.pid, caught.value.url) == (os.getpid(), None)
    assert 4 < sum(waits) < 6
