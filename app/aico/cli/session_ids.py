"""``aico completion sessions``: the ids that a shell offers where one is typed, from the stored numbers alone."""

from __future__ import annotations

import argparse
import re

from aico.cli import EXIT_OK, flags_of
from aico.cli.box import describe_age
from aico.cli.reading import load_reading_settings
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db import questions as sql
from aico.core.db.looking import look
from aico.core.errors import ObserverError

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
"""Text that every shell reads as one word."""


def list_ids(options: argparse.Namespace) -> int:
    """Print the ids that begin with ``options.begin``, the newest first, each with its tool, age and label.

    Nothing if nothing can be read: a shell would show the reason in the middle of the typed line.
    """
    try:
        path = load_reading_settings(flags_of(options)).database_path
        found = look(path, lambda snapshot: snapshot.ask(sql.KEYS, (options.begin,)))
    except ObserverError:
        found = []
    for source, key, label, last_ms in found:
        if _PLAIN.fullmatch(key):
            named = "" if label is None else f", {label}"
            say(f"{key}\t{source}, {describe_age(max(0, now_ms() - last_ms) / 1000)}{named}")
    return EXIT_OK
