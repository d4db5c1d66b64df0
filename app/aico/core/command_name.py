"""The words that start this program: it may not be on the PATH."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

_NAME = "aico"


def command_name() -> str:
    """Return the words that start this program again from where the user is."""
    program = Path(sys.argv[0])
    if program.name != _NAME:
        return f"python -m {_NAME}"
    return _NAME if shutil.which(_NAME) == str(program.absolute()) else str(program)


def command_anywhere() -> str:
    """Return the words that start this program from any folder, as a shell takes them.

    ``aico`` if it is on the PATH, else its path: ``~/ai-cost-observer/.venv/bin/aico`` of a checkout. If another
    program runs this one, or a supervisor does, it is looked for beside the interpreter. Blocks for a few system calls.
    """
    started, beside = Path(sys.argv[0]).absolute(), Path(sys.executable).with_name(_NAME)
    program = started if started.name == _NAME else beside
    if not program.is_file():
        return f"{_quote(Path(sys.executable))} -m {_NAME}"
    on_path = shutil.which(_NAME)
    is_on_path = on_path is not None and os.path.realpath(on_path) == os.path.realpath(program)
    return _NAME if is_on_path else _quote(program)


def _quote(path: Path) -> str:
    """Return ``path`` as a shell takes it, short below the home directory."""
    try:
        return f"~/{shlex.quote(str(path.relative_to(Path.home())))}"
    except (ValueError, RuntimeError):  # elsewhere; or nobody's home
        return shlex.quote(str(path))
