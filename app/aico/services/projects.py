"""Projects: whether the last names of working folders are kept, from now on or also of what is counted already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from pydantic import Field, StrictBool

from aico.core.db.choices import Switch, set_switch
from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.errors import SourceFixed
from aico.services.shapes import Schema
from aico.services.source_choices import PROJECTS, PROJECTS_KEY, PROJECTS_SETTING
from aico.services.sources import SourcesService


class ProjectsOut(Schema):
    """The switch for the last names of working folders."""

    enabled: bool
    fixed_by: str | None = Field(description="The setting that decides; null where the switch does.")
    named: int = Field(description="Sessions whose project is known.")
    sources: list[str] = Field(description="The tools that state a working folder where it is looked for.")

    @classmethod
    async def of(cls, projects: Projects) -> Self:
        """Return how the switch of ``projects`` stands. Raises StorageBusy, StorageError."""
        return cls(
            enabled=projects.is_on,
            fixed_by=projects.fixed_by,
            named=await projects.count(),
            sources=projects.list_sources(),
        )


class ProjectsRequest(Schema):
    """How the switch shall stand."""

    enabled: StrictBool
    backwards: StrictBool = Field(default=False, description="Read all logs again, for projects of stored sessions.")


_SETTLED_MS = 60_000
"""So long after the switch was turned a reading that began before may still tell names."""


class Projects:
    """The switch of the names of working folders. Constructing it opens nothing."""

    def __init__(
        self,
        sources: SourcesService,
        database: Database,
        writer: UsageWriter,
        publish: Callable[[int | None], None],
        find_revision: Callable[[], int],
        now_ms: Callable[[], int],
    ) -> None:
        """``publish`` tells every page that it is another one; the revision if sessions changed with it."""
        self._sources = sources
        self._database = database
        self._writer = writer
        self._publish = publish
        self._find_revision = find_revision
        self._now_ms = now_ms
        self._counted: tuple[int, int] | None = None
        """The last count, and the revision that it is of."""

    @property
    def is_on(self) -> bool:
        """True if names are kept."""
        return self._sources.choices.wants_projects()

    @property
    def fixed_by(self) -> str | None:
        """The setting that decides; None where the switch does."""
        return PROJECTS_SETTING if self._sources.choices.fixed_projects is not None else None

    def list_sources(self) -> list[str]:
        """Return the ids of the tools whose logs state a working folder."""
        return [source.id for source in self._sources.choices.sources.values() if source.states_folder]

    async def count(self) -> int:
        """Return how many stored sessions have a project. Raises StorageBusy, StorageError.

        All sessions are gone through, so while nobody wants projects and there is none, that is done once.
        """
        revision, counted = self._find_revision(), self._counted
        if counted is not None and (counted[1] == revision or (counted[0] == 0 and self._is_settled())):
            return counted[0]
        count = await self._writer.count_projects()
        self._counted = count, revision
        return count

    def _is_settled(self) -> bool:
        switch = self._sources.choices.switches.get(PROJECTS_KEY)
        return not self.is_on and (switch is None or self._now_ms() - switch.changed_at > _SETTLED_MS)

    async def switch(self, *, is_on: bool, backwards: bool = False) -> None:
        """Keep names from now on, or no more; ``backwards``: those of what is stored, too, by reading all logs again.

        Raises SourceFixed, StorageBusy, StorageError.
        """
        if self.fixed_by is not None and self.is_on is not is_on:
            raise SourceFixed(PROJECTS, self.fixed_by)
        if self.fixed_by is None:
            switch, choices = Switch(is_on, self._now_ms()), self._sources.choices
            await set_switch(self._database, choices.machine, PROJECTS_KEY, switch)
            choices.switches[PROJECTS_KEY] = switch
        if is_on and backwards:
            # Places are read again from their beginning: that counts nothing twice.
            async with self._sources.resting():
                await self._writer.drop_checkpoints(self.list_sources())
        self._publish(None)

    async def forget(self) -> None:
        """Take the project from every session. Raises StorageBusy, StorageError."""
        revision = await self._writer.forget_projects()
        self._counted = None
        self._publish(revision)
        # Until it is written over, the log holds what stood there before.
        await self._database.empty_log()
