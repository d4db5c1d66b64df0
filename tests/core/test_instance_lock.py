"""One writer per database: the lock holds between processes, dies with its process, and names its holder."""

from __future__ import annotations

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aico.core.clock import now_ms
from aico.core.errors import InstanceRunning, StorageError
from aico.core.instance_lock import InstanceLock, LockHolder
from tests.core.second_process import second_process

URL = "http://127.0.0.1:8611"
ACQUIRE = """
import sys
from pathlib import Path
from aico.core.instance_lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1])).acquire(sys.argv[2])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database would lie; the lock does not need it."""
    return tmp_path / "data" / "observer.db"


def write_content(path: Path, content: bytes) -> None:
    """Put ``content`` into the lock's file without taking the lock."""
    path.with_name("observer.db.lock").write_bytes(content)


async def test_lock_refuses_a_second_process_and_says_where_the_first_is(path: Path) -> None:
    """The second process learns pid and URL of the first."""
    async with second_process(ACQUIRE, str(path), URL) as other:
        with pytest.raises(InstanceRunning) as caught:
            InstanceLock(path).acquire()
        holder = InstanceLock(path).find_holder()
    assert (caught.value.pid, caught.value.url) == (other.pid, URL)
    assert holder == LockHolder(other.pid, URL)


async def test_lock_dies_with_its_process(path: Path) -> None:
    """A process that was killed leaves its words in the file, but no lock."""
    async with second_process(ACQUIRE, str(path), URL) as other:
        other.kill()
        await other.wait()
    assert str(other.pid) in path.with_name("observer.db.lock").read_text(encoding="utf-8")
    assert InstanceLock(path).find_holder() is None
    lock = InstanceLock(path).acquire()
    assert InstanceLock(path).find_holder() == LockHolder(os.getpid(), None)
    lock.release()


async def test_lock_is_inherited_by_no_child(path: Path) -> None:
    """A child process does not keep the lock alive."""
    lock = InstanceLock(path).acquire()
    async with second_process("pass"):
        lock.release()
        assert InstanceLock(path).find_holder() is None


def test_lock_has_no_holder_before_it_was_ever_taken(path: Path) -> None:
    """Asking makes no file."""
    assert InstanceLock(path).find_holder() is None
    assert not path.parent.exists()


def test_lock_can_be_taken_again_after_release(path: Path) -> None:
    """Released, it is free and tells of its last holder when that ended; releasing twice is no harm."""
    lock = InstanceLock(path).acquire(URL)
    lock.release()
    lock.release()
    assert InstanceLock(path).find_holder() is None
    assert json.loads(lock.path.read_bytes()).keys() == {"ended_at"}
    InstanceLock(path).acquire().release()


def test_lock_remembers_when_the_last_service_ended(path: Path) -> None:
    """A command that takes the lock for a moment watches nothing, and changes nothing about that."""
    assert InstanceLock(path).find_end() is None
    assert not path.parent.exists()
    InstanceLock(path).acquire().release()
    assert InstanceLock(path).find_end() is None
    earliest = now_ms()
    InstanceLock(path).acquire(URL).release()
    ended_at = InstanceLock(path).find_end()
    assert ended_at is not None
    assert earliest <= ended_at <= now_ms()
    command = InstanceLock(path).acquire()
    assert InstanceLock(path).find_end() == ended_at
    command.release()
    assert InstanceLock(path).find_end() == ended_at
    for junk in (b'{"ended_at": "x"}', b'{"ended_at": -1}', b'{"ended_at": 1e99}', b"[", b'{"ended_at": ' + b"9" * 99):
        write_content(path, junk)
        assert InstanceLock(path).find_end() is None


def test_lock_tells_the_url_that_was_announced_last(path: Path) -> None:
    """The port is known only after the lock was taken; a shorter text leaves nothing of the longer one."""
    lock = InstanceLock(path).acquire("http://127.0.0.1:8611/and/much/more")
    lock.announce(URL)
    assert InstanceLock(path).find_holder() == LockHolder(os.getpid(), URL)
    lock.announce(None)
    assert InstanceLock(path).find_holder() == LockHolder(os.getpid(), None)
    lock.release()


def test_lock_announces_nothing_while_it_is_not_held(path: Path) -> None:
    """Only the holder may speak; anything else is a bug."""
    with pytest.raises(RuntimeError, match="not held"):
        InstanceLock(path).announce(URL)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 10,
        b"\xff\xfe",
        b"not json",
        b"[1, 2]",
        b"[" * 4_096,
        b'"text"',
        b'{"pid": "7", "url": 8}',
        b'{"pid": 1.5, "url": null}',
        b"{" + b" " * 5_000 + b"}",
    ],
)
def test_lock_tolerates_junk_in_its_file(path: Path, content: bytes) -> None:
    """The content is information only: a program that scribbles in it changes nothing about the lock."""
    lock = InstanceLock(path).acquire(URL)
    write_content(path, content)
    assert InstanceLock(path).find_holder() == LockHolder(None, None)
    with pytest.raises(InstanceRunning) as caught:
        InstanceLock(path).acquire()
    assert (caught.value.pid, caught.value.url) == (None, None)
    lock.release()


def test_lock_is_private(path: Path) -> None:
    """Folder 0700, file 0600."""
    lock = InstanceLock(path).acquire()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    assert lock.path.parent.stat().st_mode & 0o777 == 0o700
    lock.release()


def test_lock_refuses_a_link_in_its_place(path: Path) -> None:
    """Nobody turns our words to another file."""
    path.parent.mkdir()
    path.with_name("observer.db.lock").symlink_to("elsewhere")
    with pytest.raises(StorageError, match="cannot create"):
        InstanceLock(path).acquire()
    with pytest.raises(StorageError, match="cannot open"):
        InstanceLock(path).find_holder()
    assert not (path.parent / "elsewhere").exists()


def test_lock_outlasts_somebody_who_only_looks(path: Path) -> None:
    """A start does not fail because somebody asks for the holder at that very moment."""
    path.parent.mkdir()
    write_content(path, b'{"pid": 1, "url": "http://gone"}')
    descriptor = os.open(path.with_name("observer.db.lock"), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(InstanceLock(path).acquire)
        os.close(descriptor)
        taken.result().release()


def test_lock_gives_up_on_somebody_who_never_stops_looking(path: Path) -> None:
    """A process that was stopped while it looked does not hang a start."""
    path.parent.mkdir()
    write_content(path, b"")
    descriptor = os.open(path.with_name("observer.db.lock"), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    with pytest.raises(InstanceRunning):
        InstanceLock(path).acquire()
    os.close(descriptor)
