"""The words that start this program: it may not be on the PATH."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

_NAME = "aico"


def command_name() -> str:
    """Return the words that start this program again from where the user is.

    A hint names them; documents say ``aico``. A command at a prompt asks: nothing is imported for it.
    """
    program = sys.argv[0]
    if os.path.basename(program) != _NAME:  # noqa: PTH119  # a path of this module would take longer than the answer
        return f"python -m {_NAME}"
    return _NAME if _find_on_path() == os.path.abspath(program) else program  # noqa: PTH100  # as above


def as_typed(text: str) -> str:
    """Return ``text`` with each `` `aico …` `` in it as the user types it."""
    return text.replace(f"`{_NAME} ", f"`{command_name()} ")


def _find_on_path() -> str | None:
    """Return the program that our name starts. By hand: ``shutil`` takes longer to import than all else here."""
    for folder in filter(None, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        program = f"{folder.rstrip(os.sep)}{os.sep}{_NAME}"
        if os.access(program, os.X_OK) and not os.path.isdir(program):  # noqa: PTH112  # as above
            return program
    return None


def command_anywhere() -> str:
    """Return the words that start this program from any folder, as a shell takes them.

    ``aico`` if it is on the PATH, else its path: ``~/ai-cost-observer/.venv/bin/aico`` of a checkout. If another
    program runs this one, or a supervisor does, it is looked for beside the interpreter. Blocks for a few system calls.
    """
    started, beside = Path(sys.argv[0]).absolute(), Path(sys.executable).with_name(_NAME)
    program = started if started.name == _NAME else beside
    if not program.is_file():
        return f"{_quote(Path(sys.executable))} -m {_NAME}"
    on_path = _find_on_path()
    is_on_path = on_path is not None and os.path.realpath(on_path) == os.path.realpath(program)
    return _NAME if is_on_path else _quote(program)


def _quote(path: Path) -> str:
    """Return ``path`` as a shell takes it, short below the home directory."""
    try:
        return f"~/{shlex.quote(str(path.relative_to(Path.home())))}"
    except (ValueError, RuntimeError):  # elsewhere; or nobody's home
        return shlex.quote(str(path))
