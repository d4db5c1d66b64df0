"""A program under strace: every system call that names a file, with whole paths, one object each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>.*)", re.DOTALL)
_DIRECTORY = re.compile(r"(?:AT_FDCWD|\d+)<(?P<path>/[^>]*)>(?:\(deleted\))?")
_DESCRIPTOR = re.compile(r"\d+<(?P<path>/[^>]*)>")
_TEXT = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
OPENING = frozenset({"open", "openat", "openat2", "creat", "open_by_handle_at"})
LISTING = frozenset({"getdents", "getdents64"})


@dataclass(frozen=True, slots=True)
class Call:
    """One system call on a path. ``path`` is absolute and literal: nothing in it is resolved."""

    name: str
    path: str
    line: str
    """As strace wrote it."""

    @property
    def opens(self) -> bool:
        """True if it opens the file that it names, so that this could be read."""
        return self.name in OPENING

    @property
    def only_walks(self) -> bool:
        """True if it opens a directory at the most, and so that nothing can be read from it."""
        return self.opens and "O_PATH" in self.line and "O_DIRECTORY" in self.line and "O_NOFOLLOW" in self.line

    @property
    def lists(self) -> bool:
        """True if it reads the names in a directory."""
        return self.name in LISTING

    @property
    def only_reads(self) -> bool:
        """True if it opens for reading alone."""
        return self.opens and "O_RDONLY" in self.line and not re.search("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", self.line)


def strace_command(output: Path) -> list[str]:
    """Return the words before a command that write its calls, thread by thread, into ``output.<thread>``."""
    return [
        *("strace", "--follow-forks", "--output-separately", f"--output={output}", "--seccomp-bpf", "--quiet=all"),
        *("--decode-fds=path", "--string-limit=4096", "--signal=none", "--interruptible=waiting"),
        "--trace=%file,getdents,getdents64,open_by_handle_at,prctl",
        # The service forbids that anybody attaches to it, which would hide its descriptors from the tracer.
        "--inject=prctl:retval=0",
    ]


def read_calls(output: Path) -> Iterator[Call]:
    """Yield the calls of all threads that were written for ``output``, whose name may be a pattern."""
    for path in sorted(output.parent.glob(f"{output.name}.*")):
        for line in path.read_text(errors="replace").splitlines():
            yield from _calls_of(line)


def _calls_of(line: str) -> Iterator[Call]:
    """Yield a call for each path that ``line`` names, and for the one that the kernel says was opened."""
    found = _LINE.match(line)
    if found is None:
        return
    name, arguments, result = found["name"], found["arguments"], found["result"]
    here = _DIRECTORY.match(arguments)
    paths = {_joined(here["path"] if here else "/", text["text"]) for text in _TEXT.finditer(arguments)}
    if name in LISTING and here:
        paths.add(here["path"])
    if name in OPENING and (opened := _DESCRIPTOR.match(result)):
        paths.add(opened["path"])
    for path in sorted(paths):
        yield Call(name, path, line)


def _joined(directory: str, name: str) -> str:
    return os.path.join(directory, name) if name else directory  # noqa: PTH118 - "/" and ".." are to stay as they are
