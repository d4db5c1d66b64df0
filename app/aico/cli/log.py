"""How the log is written: text on a terminal, JSON for machines. No line holds text of a tool's file."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from aico.core.settings import Settings

_CHATTY = (
    "alembic",
    "asyncio",
    "httpcore",
    "httpx",
    "sqlalchemy",
    "uvicorn",
    "watchfiles",
    "websockets",
)
NOISE_WINDOW_S = 60.0
NOISE_MAX = 5
"""Equal records of a library that are written per window."""


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for ``record``."""
        content = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            content["trace"] = self.formatException(record.exc_info)
        # In ASCII: characters that standard error cannot show would be escaped by its rules, which are not JSON's.
        return json.dumps(content)


class BoundedNoise(logging.Filter):
    """Lets only so many equal complaints of the server's libraries through: any web page can provoke them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether ``record`` is written."""
        if not record.name.startswith(("uvicorn", "asyncio", "websockets")):
            return True
        window = int(self._clock() // NOISE_WINDOW_S)
        if window != self._window:
            self._window, self._counts = window, Counter()
        kind = f"{record.name} {record.msg}"[:80]
        self._counts[kind] += 1
        return self._counts[kind] <= NOISE_MAX


def make_handler(settings: Settings, stream: TextIO) -> logging.Handler:
    """Return a handler that writes the log to ``stream`` in the format of the settings."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(BoundedNoise())
    wanted = settings.log_format
    if wanted == "json" or (wanted == "auto" and not stream.isatty()):
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    return handler


def configure_logging(settings: Settings) -> None:
    """Send the log of this process to standard error."""
    logging.basicConfig(level=settings.log_level.upper(), handlers=[make_handler(settings, sys.stderr)], force=True)
    for library in _CHATTY:
        logging.getLogger(library).setLevel(logging.WARNING)
