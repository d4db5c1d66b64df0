"""Somebody else at work on a file at an exact moment of a reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from aico.core.errors import SourceErrors
from aico.features.files.guard import FileGuard
from tests.files.places import ERRORS


class DisturbedGuard(FileGuard):
    """A guard with somebody who changes the file between its check and the reader's first look."""

    def __init__(self, path: Path, max_bytes: int, disturb: Callable[[], None], errors: SourceErrors = ERRORS) -> None:
        super().__init__(str(path), {path.name}, max_bytes, errors)
        self._disturb = disturb

    @contextmanager
    def open(self) -> Iterator[int]:
        """Yield the descriptor of a file that is no longer the one that was checked."""
        with super().open() as descriptor:
            self._disturb()
            yield descriptor


def disturb_reading(
    monkeypatch: pytest.MonkeyPatch, disturb: Callable[[], object], *, times: int = 1, piece_bytes: int = 4
) -> None:
    """Let the system hand out pieces of at most so many bytes, and call ``disturb`` after each of the first ones."""
    numbers = count()

    def readv(descriptor: int, buffers: list[memoryview]) -> int:
        piece = os.read(descriptor, min(piece_bytes, len(buffers[0])))
        buffers[0][: len(piece)] = piece
        if next(numbers) < times:
            disturb()
        return len(piece)

    monkeypatch.setattr(os, "readv", readv)
