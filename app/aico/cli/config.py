"""``aico config show``: every setting, its value, and where it came from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from aico.cli import EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say


def show(options: argparse.Namespace) -> int:
    """Print a line per setting. A token is told to be set, never told."""
    loaded = load(options)
    rows = [(name, _text(loaded.get_value(name)), origin) for name, origin in loaded.origins.items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    say(*(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in rows))
    return EXIT_OK


def _text(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
