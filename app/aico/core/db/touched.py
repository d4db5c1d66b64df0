"""Which sessions the last commits touched: whoever knows an order of sessions mends it, and asks for no other."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Collection

TOUCHED_MAX = 10_000
"""Sessions that are worth it: of more of them, the whole order is asked for anew."""
_KEPT_MAX = 2 * TOUCHED_MAX
"""Sessions that are kept of all commits together."""
_COMMITS_MAX = 200


class Touched:
    """The sessions of the last commits of this process. Any thread may ask.

    A commit that nobody has noted, by whatever process, makes everything before it unknown.
    """

    def __init__(self) -> None:
        self._by_revision: dict[int, array[int]] = {}
        self._open: int | None = None
        """The revision whose commit is still to come."""
        self._epoch = ""
        self._lock = threading.Lock()

    def note(self, epoch: str, revision: int, sessions: Collection[int]) -> None:
        """Note that a commit touches ``sessions`` and no other, in any way that an answer tells.

        Before that commit, in its transaction: whoever sees its revision finds the note.
        """
        with self._lock:
            self._open = revision
            if epoch != self._epoch:
                self._by_revision.clear()
                self._epoch = epoch
            # After a gap nothing before it is of use.
            kept = self._by_revision if revision - 1 in self._by_revision else {}
            if len(sessions) <= TOUCHED_MAX:
                kept[revision] = array("q", sessions)
            while len(kept) > _COMMITS_MAX or sum(map(len, kept.values())) > _KEPT_MAX:
                del kept[next(iter(kept))]
            self._by_revision = kept

    def keep(self) -> None:
        """Keep what was noted: it is committed."""
        with self._lock:
            self._open = None

    def take_back(self) -> None:
        """Forget what was noted and is not committed: the next commit of that revision may be another's."""
        with self._lock:
            if self._open is not None:
                self._by_revision.pop(self._open, None)
                self._open = None

    def find_between(self, epoch: str, before: int, after: int) -> frozenset[int] | None:
        """Return the sessions of all commits behind the revision ``before`` up to ``after``.

        None where that is not known, where ``after`` comes first, or where they are too many.
        """
        with self._lock:
            if epoch != self._epoch or not 0 <= after - before <= _COMMITS_MAX:
                return None
            found = [self._by_revision.get(revision) for revision in range(before + 1, after + 1)]
        known = [each for each in found if each is not None]
        touched = frozenset[int]().union(*known)
        return touched if len(known) == len(found) and len(touched) <= TOUCHED_MAX else None
