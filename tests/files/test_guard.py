"""The guard: the exact path, a plain file, no link anywhere, and nothing left open."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aico.core.errors import SourceError, SourceNotFound, SourcePathRefused, SourceTooLarge, SourceUnreadable
from aico.features.files.guard import FileGuard
from tests.files.places import ERRORS, NAME, guard_of

MAX_BYTES = 1 << 20
NOBODY = 65_534
WHOLE = b'[{"id": "1"}]'


def read_through(guard: FileGuard) -> bytes:
    """Return what the guard lets through."""
    with guard.open() as descriptor:
        return os.read(descriptor, MAX_BYTES)


def open_descriptors(path: Path) -> set[int]:
    """Return the descriptors of this process that lead to ``path`` or to a directory on the way there.

    Others may come and go meanwhile: what earlier tests left to the garbage collector is closed at any moment.
    """
    on_the_way = {identity for part in (path, *path.parents) if (identity := find_identity(part))}
    numbers = {int(name) for name in os.listdir("/dev/fd")}  # noqa: PTH208 - names, not paths
    return {number for number in numbers if find_identity(number) in on_the_way}


def find_identity(place: Path | int) -> tuple[int, int] | None:
    """Return device and inode of a path, itself and not what it links to, or of a descriptor; None: there is none."""
    try:
        status = os.fstat(place) if isinstance(place, int) else place.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up root's right to read everything, for a while."""
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def make_nothing(path: Path) -> None:
    """Leave the place of the ledger empty."""


def make_link(path: Path) -> None:
    """Put a link to a file that would be a ledger."""
    target = path.with_name("elsewhere.json")
    target.write_bytes(WHOLE)
    path.symlink_to(target)


def make_dangling_link(path: Path) -> None:
    """Put a link to nowhere."""
    path.symlink_to(path.with_name("nowhere.json"))


def make_link_to_itself(path: Path) -> None:
    """Put a link that never ends."""
    path.symlink_to(path)


def make_hard_link(path: Path) -> None:
    """Put a second name of another file."""
    target = path.with_name("elsewhere.json")
    target.write_bytes(WHOLE)
    path.hardlink_to(target)


def make_fifo(path: Path) -> None:
    """Put a pipe that nobody will ever write into."""
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    """Put a directory."""
    path.mkdir()


def make_socket(path: Path) -> None:
    """Put a socket, bound by its short name because addresses have a greatest length."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


def make_huge(path: Path) -> None:
    """Put a file of one terabyte without any contents."""
    path.touch()
    os.truncate(path, 1 << 40)


def make_one_byte_too_many(path: Path) -> None:
    """Put a file just beyond the limit."""
    path.write_bytes(b" " * (MAX_BYTES + 1))


def make_parent_a_file(path: Path) -> None:
    """Put a file where the directory should be."""
    path.parent.rmdir()
    path.parent.touch()


def make_parent_a_fifo(path: Path) -> None:
    """Put a pipe where the directory should be."""
    path.parent.rmdir()
    os.mkfifo(path.parent)


def make_parent_missing(path: Path) -> None:
    """Take the directory away."""
    path.parent.rmdir()


def make_ancestor_missing(path: Path) -> None:
    """Take the directory and the one above away."""
    path.parent.rmdir()
    path.parent.parent.rmdir()


REFUSALS = [
    (make_nothing, SourceNotFound, "There is no Invented log"),
    (make_parent_missing, SourceNotFound, "There is no Invented log"),
    (make_ancestor_missing, SourceNotFound, "There is no Invented log"),
    (make_link, SourcePathRefused, "link"),
    (make_dangling_link, SourcePathRefused, "link"),
    (make_link_to_itself, SourcePathRefused, "link"),
    (make_hard_link, SourcePathRefused, "hard link"),
    (make_fifo, SourcePathRefused, "no regular file"),
    (make_directory, SourcePathRefused, "no regular file"),
    (make_socket, SourcePathRefused, "socket|no regular file"),
    (make_parent_a_file, SourcePathRefused, "no directory"),
    (make_parent_a_fifo, SourcePathRefused, "no directory"),
    (make_huge, SourceTooLarge, "1099511627776 bytes; the limit is 1048576"),
    (make_one_byte_too_many, SourceTooLarge, "1048577 bytes"),
]


@pytest.mark.parametrize(("make", "error", "words"), REFUSALS, ids=lambda value: getattr(value, "__name__", ""))
def test_guard_refuses_what_is_no_plain_file(
    path: Path, make: Callable[[Path], None], error: type[SourceError], words: str
) -> None:
    """Anything else in the ledger's place is refused by name, opened or not, and no descriptor stays."""
    make(path)
    guard = guard_of(path)
    before = open_descriptors(path)
    with pytest.raises(error, match=words), guard.open():
        pytest.fail("it was opened")
    with pytest.raises(error, match=words):
        guard.stat()
    assert open_descriptors(path) == before


@pytest.mark.parametrize("depth", range(4))
def test_guard_refuses_a_link_in_any_parent(tmp_path: Path, depth: int) -> None:
    """A path that leads through a link to the very ledger is refused, whichever directory the link stands for."""
    names = ["one", "two", "three", "four"]
    path = tmp_path.resolve().joinpath(*names, NAME)
    path.parent.mkdir(parents=True)
    path.write_bytes(WHOLE)
    link = tmp_path.resolve().joinpath(*names[: depth + 1])
    real = link.with_name("real")
    link.rename(real)
    link.symlink_to(real)
    guard = guard_of(path)
    before = open_descriptors(path)
    assert path.read_bytes() == WHOLE
    with pytest.raises(SourcePathRefused, match="link"), guard.open():
        pytest.fail("it was opened")
    with pytest.raises(SourcePathRefused, match="link"):
        guard.stat()
    assert guard.find_directory_identity() is None
    assert open_descriptors(path) == before


def test_guard_refuses_a_device_in_its_place() -> None:
    """A device is no regular file. Only root may give one the ledger's name, so this guard is told another name."""
    guard = FileGuard(f"/dev/{NAME}", {NAME}, MAX_BYTES, ERRORS)
    guard.name = "zero"
    path = Path("/dev/zero")
    before = open_descriptors(path)
    with pytest.raises(SourcePathRefused, match="no regular file"), guard.open():
        pytest.fail("it was opened")
    with pytest.raises(SourcePathRefused, match="no regular file"):
        guard.stat()
    assert open_descriptors(path) == before


@pytest.mark.parametrize("closed", ["file", "directory"])
def test_guard_names_the_missing_permission(closed: str) -> None:
    """A file or a directory that the user may not enter is unreadable, not missing, and no descriptor stays."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        path = home / "state" / NAME
        path.parent.mkdir()
        path.write_bytes(WHOLE)
        home.chmod(0o755)
        path.chmod(0o000 if closed == "file" else 0o644)
        path.parent.chmod(0o000 if closed == "directory" else 0o755)
        guard = guard_of(path)
        before = open_descriptors(path)
        try:
            with as_ordinary_user(), pytest.raises(SourceUnreadable, match="EACCES"), guard.open():
                pytest.fail("it was opened")
            assert open_descriptors(path) == before
        finally:
            path.parent.chmod(0o755)


def test_guard_opens_a_plain_file_and_leaves_nothing_open(path: Path) -> None:
    """The whole file comes through, and after the block its descriptor is gone."""
    path.write_bytes(WHOLE)
    guard = guard_of(path)
    before = open_descriptors(path)
    assert read_through(guard) == WHOLE
    assert guard.stat().st_size == len(WHOLE)
    assert guard.directory == str(path.parent)
    assert open_descriptors(path) == before


def test_guard_closes_the_file_when_its_reader_fails(path: Path) -> None:
    """An exception inside the block passes through, and the descriptor is gone."""
    path.write_bytes(WHOLE)
    before = open_descriptors(path)
    with pytest.raises(RuntimeError, match="reader"), guard_of(path).open():
        raise RuntimeError("reader")
    assert open_descriptors(path) == before


def test_guard_opens_a_file_of_exactly_the_limit(path: Path) -> None:
    """The limit itself is allowed."""
    path.write_bytes(b" " * MAX_BYTES)
    assert len(read_through(guard_of(path))) == MAX_BYTES


def test_guard_reads_on_in_a_file_that_is_replaced_while_held(path: Path) -> None:
    """After a rename over it the held file has no name left, and it is still one whole ledger."""
    path.write_bytes(WHOLE)
    newer = path.with_name("newer.json")
    newer.write_bytes(b"[]")
    guard = guard_of(path)
    with guard.open() as descriptor:
        newer.replace(path)
        assert guard.check(descriptor).st_nlink == 0
        assert os.read(descriptor, MAX_BYTES) == WHOLE
    assert read_through(guard) == b"[]"


def test_guard_takes_the_root_directory_as_a_parent() -> None:
    """A ledger directly under the root has no component to walk; there is none here, and that is what is said."""
    guard = guard_of(Path("/") / NAME)
    assert guard.directory == "/"
    status = Path("/").stat()
    assert guard.find_directory_identity() == (status.st_dev, status.st_ino)
    with pytest.raises(SourceNotFound):
        guard.stat()


def test_guard_cannot_be_made_for_another_name(tmp_path: Path) -> None:
    """Only a file of the exact name can be allowlisted."""
    with pytest.raises(ValueError, match=r"exactly usage\.json"):
        guard_of(tmp_path / f"{NAME}.bak")


def test_look_tells_through_which_directory_it_came(path: Path) -> None:
    """So nobody has to walk there once more."""
    path.write_bytes(WHOLE)
    guard = guard_of(path)
    assert guard.look().directory == guard.find_directory_identity() is not None


def test_directory_identity_changes_when_the_directory_is_replaced(path: Path) -> None:
    """The identity is the directory's device and inode, and a new directory under the same name has another one."""
    guard = guard_of(path)
    first = guard.find_directory_identity()
    status = path.parent.stat()
    assert first == (status.st_dev, status.st_ino)
    path.parent.rename(path.parent.with_name("old"))
    assert guard.find_directory_identity() is None
    path.parent.mkdir()
    assert guard.find_directory_identity() not in {None, first}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "I/O"), SourceUnreadable("EIO", of=ERRORS.name)),
        (OSError(errno.ESTALE, "stale"), SourceUnreadable("ESTALE", of=ERRORS.name)),
        (OSError(errno.EMFILE, "too many"), SourceUnreadable("EMFILE", of=ERRORS.name)),
        (OSError("no number"), SourceUnreadable("unknown error", of=ERRORS.name)),
        (OSError(99_999, "no name"), SourceUnreadable("unknown error", of=ERRORS.name)),
    ],
)
def test_guard_translates_failures_of_a_reading_under_way(path: Path, error: OSError, expected: SourceError) -> None:
    """The operating system's failure becomes an error of the closed tree that names its number and nothing else."""
    with pytest.raises(SourceUnreadable) as caught, guard_of(path).reading():
        raise error
    assert str(caught.value) == str(expected)
    assert caught.value.__cause__ is None
