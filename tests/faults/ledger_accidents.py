"""Accidents of the ledger, its name and its directory. Every accident blocks for some system calls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from aico.features.demo.writer import replace_file

DECOY = b'[{"id":"decoy","ts":1,"tokensIn":1,"tokensOut":1,"totalCost":1}]'
"""The content of each file that a link could lead to."""
DECOY_ID = "decoy"
_HUGE_BYTES = 1 << 40
_NOISE = 40
_FAR_NS = {"1970": 1_000_000_000, "2100": 4_102_444_800_000_000_000}


class Scene:
    """A ledger at ``path`` that accidents happen to, and another file that must never be read in its place."""

    def __init__(self, path: Path, rng: Random) -> None:
        self.path = path
        self.rng = rng
        self.elsewhere = path.parent.with_name("elsewhere")
        self._moved = 0

    def restore(self) -> None:
        """Make the directory a directory again, and the ledger's place free for a file or taken by one."""
        if self.path.parent.is_symlink() or self.path.parent.is_file():
            self.path.parent.unlink()
        self.path.parent.mkdir(exist_ok=True)
        self.path.parent.chmod(0o755)
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()
        elif os.path.lexists(self.path):
            if self.path.is_symlink() or not self.path.is_file() or self.path.stat().st_nlink > 1:
                self.path.unlink()
            elif self.path.stat().st_size >= _HUGE_BYTES:
                os.truncate(self.path, 0)
            else:
                self.path.chmod(0o644)

    def decoy(self) -> Path:
        """Return a directory with a file of the ledger's name that would be a ledger."""
        self.elsewhere.mkdir(exist_ok=True)
        decoy = self.elsewhere / self.path.name
        decoy.unlink(missing_ok=True)
        decoy.write_bytes(DECOY)
        return self.elsewhere

    def clear(self) -> None:
        """Remove what stands in the ledger's place."""
        self.path.unlink(missing_ok=True)

    def move_directory(self) -> Path:
        """Rename the directory away and return its new path."""
        self._moved += 1
        return self.path.parent.rename(self.path.parent.with_name(f"moved-{self._moved}"))


Accident = Callable[[Scene, bytes], None]
"""Takes the scene and the bytes of a good ledger that is to come later."""


def tear(scene: Scene, data: bytes) -> None:
    """Leave the beginning of a ledger."""
    scene.path.write_bytes(data[: scene.rng.randrange(len(data))])


def leave_zeros(scene: Scene, data: bytes) -> None:
    """Leave a file that has its length and lacks what a power cut took."""
    scene.path.write_bytes(data[: scene.rng.randrange(len(data) - 1)] + bytes(4096))


def empty(scene: Scene, data: bytes) -> None:
    """Leave nothing in it."""
    scene.path.write_bytes(b"")


def forget_everything(scene: Scene, data: bytes) -> None:
    """Leave a ledger without entries, as Cline does when all tasks are deleted."""
    replace_file(scene.path, b"[]")


def say_something_else(scene: Scene, data: bytes) -> None:
    """Leave JSON that is no ledger."""
    replace_file(scene.path, scene.rng.choice([b"{}", b"null", b'"[]"', b"7", b'{"taskHistory":[]}']))


def remove(scene: Scene, data: bytes) -> None:
    """Take the file away."""
    scene.clear()


def remove_directory(scene: Scene, data: bytes) -> None:
    """Take the directory away."""
    shutil.rmtree(scene.path.parent)


def move_directory(scene: Scene, data: bytes) -> None:
    """Rename the directory and write a ledger where it went."""
    (scene.move_directory() / scene.path.name).write_bytes(DECOY)


def link_directory(scene: Scene, data: bytes) -> None:
    """Put a link to another directory in the directory's place."""
    target = scene.decoy()
    scene.move_directory()
    scene.path.parent.symlink_to(target)


def link_file(scene: Scene, data: bytes) -> None:
    """Put a link to another file in the file's place."""
    link = scene.path.with_name("link")
    link.symlink_to(scene.decoy() / scene.path.name)
    link.replace(scene.path)


def link_file_hard(scene: Scene, data: bytes) -> None:
    """Put a second name of another file in the file's place."""
    target = scene.decoy() / scene.path.name
    scene.clear()
    scene.path.hardlink_to(target)


def put_fifo(scene: Scene, data: bytes) -> None:
    """Put a pipe that nobody writes into."""
    scene.clear()
    os.mkfifo(scene.path)


def put_directory(scene: Scene, data: bytes) -> None:
    """Put a directory of the ledger's name."""
    scene.clear()
    scene.path.mkdir()


def blow_up(scene: Scene, data: bytes) -> None:
    """Make it a terabyte of nothing."""
    os.truncate(scene.path, _HUGE_BYTES)


def close_file(scene: Scene, data: bytes) -> None:
    """Take every permission from the file; root does not notice."""
    scene.path.chmod(0)


def touch_far_away(scene: Scene, data: bytes) -> None:
    """Give it a time of another century."""
    moment = _FAR_NS[scene.rng.choice(sorted(_FAR_NS))]
    os.utime(scene.path, ns=(moment, moment))


def make_noise(scene: Scene, data: bytes) -> None:
    """Let other files come and go beside it."""
    for number in range(_NOISE):
        noise = scene.path.with_name(f"{scene.path.name}.tmp.{number}")
        noise.write_bytes(DECOY)
        noise.unlink()


ACCIDENTS: Sequence[Accident] = (
    *(tear, leave_zeros, empty, forget_everything, say_something_else, remove, remove_directory, move_directory),
    *(link_directory, link_file, link_file_hard, put_fifo, put_directory, blow_up, close_file, touch_far_away),
    make_noise,
)
