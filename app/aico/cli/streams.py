"""Standard output and standard error, with anything behind them: no output ends in a traceback.

Lines for a person are escaped where the terminal cannot show them. Exports are bytes of UTF-8, in any locale.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from aico.core.errors import OutputFailed

_STANDARD = (0, 1, 2)
"""The descriptors of input, output and errors."""


class ReaderGone(Exception):
    """The reader of standard output has seen enough, as ``head`` has: no failure that anybody has to be told."""


def prepare_streams() -> None:
    """Have characters that cannot be shown escaped, and make a closed stream one that fails like any other.

    A closed one is None in Python, and its number would be that of the next file that is opened: lines for
    standard error would end in the database.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)) in _STANDARD:
        pass
    os.close(descriptor)
    sys.stdout, sys.stderr = (_prepared(stream, number) for stream, number in ((sys.stdout, 1), (sys.stderr, 2)))


def say(*lines: str) -> None:
    """Print ``lines`` for a person. Raises OutputFailed and ReaderGone."""
    with _standard_output():
        sys.stdout.write("".join(f"{line}\n" for line in lines))


def write_utf8(pieces: Iterable[str]) -> None:
    """Print ``pieces`` as they are, in UTF-8. Raises OutputFailed and ReaderGone."""
    with _standard_output():
        sys.stdout.flush()
        sys.stdout.buffer.writelines(piece.encode("utf-8") for piece in pieces)


def complain(*lines: str) -> None:
    """Print ``lines`` on standard error. If that fails, nobody is left to be told."""
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


@contextmanager
def _standard_output() -> Iterator[None]:
    """Have everything that the block prints written out. Raises OutputFailed and ReaderGone."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        _silence(sys.stdout)
        raise ReaderGone from error
    except OSError as error:
        _silence(sys.stdout)
        raise OutputFailed("standard output", error.strerror or type(error).__name__) from error


def settle_streams() -> None:
    """Write out the rest. Bytes that cannot be written are dropped: the interpreter would try again and exit 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _silence(stream)


def can_show(text: str) -> bool:
    """Return whether standard output shows ``text`` as it is."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _prepared(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if isinstance(stream, io.TextIOWrapper):
        if isinstance(stream.buffer, io.RawIOBase):
            # PYTHONUNBUFFERED leaves out the layer that writes on after a part: half an export would be a success.
            return open(number, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)
        stream.reconfigure(errors="backslashreplace")
    return stream


def _silence(stream: TextIO) -> None:
    """Let everything that is still to be written to ``stream`` go nowhere."""
    with suppress(OSError):  # it has no descriptor of its own
        descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.dup2(descriptor, stream.fileno())
        finally:
            os.close(descriptor)
