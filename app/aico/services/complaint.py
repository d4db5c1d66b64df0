"""An error that keeps a loop from its work, told once and not at each try."""

from __future__ import annotations

import logging

from aico.core.errors import ObserverError


class Complaint:
    """Logs an error when it begins or becomes another one; :meth:`end` lets the same one be told again."""

    def __init__(self, log: logging.Logger, text: str) -> None:
        """``text`` holds ``%s`` for the error."""
        self._log = log
        self._text = text
        self._told: str | None = None

    def note(self, error: ObserverError) -> None:
        """Say why it does not go on, unless that was said last."""
        if str(error) != self._told:
            self._told = str(error)
            self._log.warning(self._text, error)

    def end(self) -> None:
        """Note that it goes on."""
        self._told = None
