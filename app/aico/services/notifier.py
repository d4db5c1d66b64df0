"""Hints that a place may have changed, from the operating system: the only place that knows watchfiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchfiles import Change, awatch

STEP_MS = 30
"""How often watchfiles looks at its queue, some 100 microseconds each time.

A change is told after one to two steps. The debounce counts from when the file was written, so most of that is inside.
"""
_BATCH_MS = 40
_TIMEOUT_MS = 10_000


class Notifier:
    """Watches one directory, not the file in it: a rename over the file takes the watch of the file away.

    A notification is a hint only. Which file it names beyond the filter, and what happened to it, is never trusted;
    that one may be lost is made good by the watcher's ticks and rescans.
    """

    def __init__(self, on_hint: Callable[[], None]) -> None:
        self._on_hint = on_hint
        self._task: asyncio.Task[None] | None = None

    @property
    def error(self) -> BaseException | None:
        """Why nothing is watched although :meth:`start` was called; None while all is well."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception() or RuntimeError("the notifications ended")

    @property
    def is_watching(self) -> bool:
        """Whether notifications may arrive."""
        return self._task is not None and not self._task.done()

    async def start(self, directory: str, *names: str) -> None:
        """Watch ``directory`` for ``names``, in place of what was watched before. Whether it works, ``error`` says."""
        await self.stop()
        self._task = asyncio.create_task(self._watch(directory, names), name="notifier")
        # The watch is armed in the task's first step. What happens in the directory after this line is noticed.
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Watch nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # seen: whoever asked for ``error`` has heard of it

    async def _watch(self, directory: str, names: tuple[str, ...]) -> None:
        wanted = {*(f"{directory.rstrip('/')}/{name}" for name in names), directory}

        def concerns_us(_change: Change, path: str) -> bool:
            return path in wanted

        async for changes in awatch(
            directory,
            watch_filter=concerns_us,
            debounce=_BATCH_MS,
            step=STEP_MS,
            rust_timeout=_TIMEOUT_MS,
            recursive=False,
            force_polling=False,
        ):
            self._on_hint()
            if (Change.deleted, directory) in changes:
                # The watch went with it, and that is no error. One that is made anew may well have the same inode.
                self._task = None
                return
