"""Orders of sessions that are remembered, and how one is mended after a commit. No I/O, no clock."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Self, TypeAlias

_ROW_COUNT, _ROW, _FOLDED, _ABSENT = range(4)
"""The kinds of rows of a folded order, in their first column."""
_EXACT_MAX = 2**53
"""Integers up to here are what they were as floating-point numbers, too."""

Row: TypeAlias = Sequence[int | float]


class SessionOrder(NamedTuple):
    """Sessions in an order that somebody asked for, and those folded under them."""

    ids: array[int]
    """Of the first ones at least."""
    row_count: int
    """On all pages."""
    keys: array[float]
    """What these sessions are ordered by, ascending; empty where that is a text, or too large for such a number."""
    members: Mapping[int, list[int]] = {}
    """Sessions that are folded under another one, by its number."""
    folded_counts: Mapping[int, int] = {}
    """How many of them are inside the filter; where there are none, nothing."""
    late: Mapping[int, int] = {}
    """Of these the last activity of all."""
    absent: frozenset[int] = frozenset()
    """Sessions that others are folded under and that are not inside the filter themselves."""
    newest: int = 0
    """The greatest number of a stored session."""

    @classmethod
    def of_rows(cls, rows: Sequence[Row], newest: int, *, descending: bool) -> Self:
        """Return the order that the rows of :func:`aico.core.db.questions.session_order` tell, as if it were whole."""
        ids = array("q", [int(row[0]) for row in rows])
        return cls(ids, len(ids), _ascending([row[1] for row in rows], descending=descending), newest=newest)

    @classmethod
    def of_folded(cls, rows: Sequence[Row], newest: int, *, descending: bool) -> Self:
        """Return the order that the rows of :func:`aico.core.db.questions.folded_order` tell."""
        shown = [row for row in rows if row[0] == _ROW]
        members: dict[int, list[int]] = {}
        for kind, session, head, *_ in rows:
            if kind == _FOLDED:
                members.setdefault(int(head), []).append(int(session))
        with_others = [(int(row[1]), int(row[2]), int(row[3])) for row in shown if row[2]]
        return cls(
            array("q", [int(row[1]) for row in shown]),
            next(int(row[1]) for row in rows if row[0] == _ROW_COUNT),
            _ascending([row[4] for row in shown], descending=descending),
            members,
            {session: count for session, count, _late in with_others},
            {session: late for session, _count, late in with_others},
            frozenset(int(row[1]) for row in rows if row[0] == _ABSENT),
            newest,
        )

    @property
    def is_whole(self) -> bool:
        """Return whether no session is missing."""
        return len(self.ids) == self.row_count

    @property
    def has_keys(self) -> bool:
        """Return whether the place of another session can be found."""
        return len(self.keys) == len(self.ids)

    @property
    def hidden_count(self) -> int:
        """How many more sessions are inside the filter than there are rows."""
        return sum(map(len, self.members.values())) - len(self.absent)

    @property
    def session_count(self) -> int:
        """The number of sessions inside the filter."""
        return self.row_count + self.hidden_count

    def add_families(self, sessions: Collection[int]) -> set[int]:
        """Return ``sessions`` and all that are folded with one of them."""
        heads = {member: head for head, members in self.members.items() for member in members}
        found = set(sessions)
        for session in sessions:
            head = heads.get(session, session)
            found.add(head)
            found.update(self.members.get(head, ()))
        return found

    def without(self, sessions: Collection[int]) -> Self:
        """Return the order of all others."""
        places = [place for place, session in enumerate(self.ids) if session in sessions]
        ids, keys, last = array("q"), array("d"), 0
        for place in places:
            ids.extend(self.ids[last:place])
            keys.extend(self.keys[last:place])
            last = place + 1
        ids.extend(self.ids[last:])
        keys.extend(self.keys[last:])
        return self._replace(
            ids=ids,
            row_count=self.row_count - len(places),
            keys=keys,
            members={head: members for head, members in self.members.items() if head not in sessions},
            folded_counts={head: count for head, count in self.folded_counts.items() if head not in sessions},
            late={head: late for head, late in self.late.items() if head not in sessions},
            absent=self.absent.difference(sessions),
        )

    def joined_by(self, other: Self, places: Sequence[int]) -> Self:
        """Return the order with the rows of ``other``, each before the row of this one at its place.

        Nothing is known behind the last row of an order that is not whole: there nothing is added. The number of rows
        is that of those that are known.
        """
        ids, keys = array("q"), array("d")
        last = 0
        for place, session, key in zip(places, other.ids, other.keys, strict=True):
            if place == len(self.ids) and not self.is_whole:
                break
            ids.extend(self.ids[last:place])
            keys.extend(self.keys[last:place])
            ids.append(session)
            keys.append(key)
            last = place
        ids.extend(self.ids[last:])
        keys.extend(self.keys[last:])
        return self._replace(
            ids=ids,
            row_count=len(ids),
            keys=keys,
            members={**self.members, **other.members},
            folded_counts={**self.folded_counts, **other.folded_counts},
            late={**self.late, **other.late},
            absent=self.absent | other.absent,
            newest=other.newest,
        )

    def iterate_named(self) -> Iterator[int]:
        """Yield every session that is a row here, or folded under one."""
        yield from self.ids
        for members in self.members.values():
            yield from members


def _ascending(keys: Sequence[int | float | None], *, descending: bool) -> array[float]:
    numbers = [key for key in keys if key is not None]
    if len(numbers) < len(keys):
        return array("d")
    found = array("d", [-key for key in numbers] if descending else numbers)
    return found if not found or max(abs(found[0]), abs(found[-1])) < _EXACT_MAX else array("d")
