"""The feed of a place whose path cannot be one of its origin: refused whenever it is looked at."""

from __future__ import annotations

from typing import NoReturn

from aico.core.errors import OriginName, SourcePathRefused
from aico.core.usage import Trigger, digest
from aico.features.files.feed import Look, Reading


class RefusedFeed:
    """Stands where a path is refused by its text alone; nothing is ever looked up."""

    names: tuple[str, ...] = ()
    """No change of anything is a change of it."""
    identity = None

    def __init__(self, path: str, reason: str, of: OriginName) -> None:
        """Take ``reason``, which says what ``path`` must be."""
        self.path = path
        self.title = of.title
        self.directory = path.rpartition("/")[0] or "/"
        self.place = digest(path)
        self._reason = reason
        self._of = of

    def look(self) -> Look:
        """Raise SourcePathRefused."""
        self._refuse()

    def find_directory_identity(self) -> None:
        """Return None: its directory is not watched."""

    def resume(self, position: str | None) -> None:
        """Begin with nothing."""

    def hurry(self) -> None:
        """Do nothing: it waits for nothing."""

    def take_time(self) -> None:
        """Do nothing: it waits for nothing."""

    async def read(self, trigger: Trigger) -> Reading:  # noqa: ARG002  # as every feed does
        """Raise SourcePathRefused."""
        self._refuse()

    def complete(self, reading: Reading) -> None:
        """Do nothing: there is no reading of it."""

    def _refuse(self) -> NoReturn:
        raise SourcePathRefused(f"its path {self._reason}", of=self._of)
