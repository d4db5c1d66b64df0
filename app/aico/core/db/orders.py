"""Orders of sessions that are remembered, and how one is mended after a commit. No I/O, no clock."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, count, islice
from operator import eq, neg
from typing import NamedTuple, Self, TypeAlias

_EXACT_MAX = 2**53
"""Integers up to here are what they were as floating-point numbers, too."""

Number: TypeAlias = int | float


class Link(NamedTuple):
    """A session that another one has started, as :func:`aico.core.db.questions.session_links` tells."""

    session: int
    parent: int
    last_ts: int
    parent_last_ts: int
    parent_number: Number
    """What the other one is ordered by, of its own."""


class Numbered(NamedTuple):
    """The rows of an order, which is still to be made, and those folded under them."""

    numbers: dict[int, Number]
    """By session, what it is ordered by."""
    members: Mapping[int, list[int]] = {}
    late: Mapping[int, int] = {}
    absent: frozenset[int] = frozenset()

    @classmethod
    def fold(
        cls, numbers: dict[int, Number], links: Iterable[Link], join: Callable[[Sequence[Number]], Number]
    ) -> Self:
        """Return the rows of sessions with ``numbers``, those that others have started under the one at their head.

        ``join`` makes one number of those of a family, its head first. That one need not be inside the filter, nor need
        those between. Sessions that have started each other in a ring have no head.
        """
        parents, last, own = {}, {}, {}
        for session, parent, last_ts, parent_last_ts, parent_number in links:
            parents[session] = parent
            last[session], last[parent] = last_ts, parent_last_ts
            own[parent] = parent_number
        members: dict[int, list[int]] = {}
        for session, head in _find_heads(parents):
            if head is not None and session in numbers:
                members.setdefault(head, []).append(session)
        absent = members.keys() - numbers.keys()
        for head, those in members.items():
            numbers[head] = join([numbers.get(head, own[head]), *(numbers.pop(session) for session in those)])
        late = {head: max(last[head], *(last[session] for session in those)) for head, those in members.items()}
        return cls(numbers, members, late, frozenset(absent))

    def sort(self, *, descending: bool) -> Sorted:
        """Return the rows in the order of their numbers."""
        ids = sorted(self.numbers, key=self.numbers.__getitem__, reverse=descending)
        return Sorted(ids, list(map(self.numbers.__getitem__, ids)))


class Sorted(NamedTuple):
    """Rows in the order of their numbers."""

    ids: list[int]
    numbers: list[Number]

    def find_tied(self) -> list[int]:
        """Return the places of those whose number is not theirs alone."""
        first = list(compress(count(), map(eq, self.numbers, islice(self.numbers, 1, None))))
        return sorted({*first, *(place + 1 for place in first)})

    def put(self, places: Iterable[int], tied: Iterable[int]) -> None:
        """Put each of ``tied`` in its place among those of the same number."""
        for place, session in zip(places, tied, strict=True):
            self.ids[place] = session


def _find_heads(parents: Mapping[int, int]) -> Iterator[tuple[int, int | None]]:
    """Yield every session that has a parent and the one above all, if there is one."""
    heads: dict[int, int | None] = {}
    for session in parents:
        path = []
        at: int = session
        while at in parents and at not in heads:
            heads[at] = None  # until it is known; in a ring for ever
            path.append(at)
            at = parents[at]
        heads.update(dict.fromkeys(path, heads.get(at, at)))
    yield from heads.items()


class SessionOrder(NamedTuple):
    """Sessions in an order that somebody asked for, and those folded under them."""

    ids: array[int]
    keys: array[float]
    """What these sessions are ordered by, ascending; empty where that is a text, or too large for such a number."""
    members: Mapping[int, list[int]] = {}
    """Sessions that are folded under another one and inside the filter, by its number."""
    late: Mapping[int, int] = {}
    """By the same number the last activity of all."""
    absent: frozenset[int] = frozenset()
    """Sessions that others are folded under and that are not inside the filter themselves."""
    newest: int = 0
    """The greatest number of a stored session."""

    @classmethod
    def of(cls, found: Sorted, rows: Numbered, newest: int, *, descending: bool, has_numbers: bool) -> Self:
        """Return the order of ``rows`` that was found."""
        keys = _ascending(found.numbers if has_numbers else [], descending=descending)
        return cls(array("q", found.ids), keys, rows.members, rows.late, rows.absent, newest)

    @property
    def has_keys(self) -> bool:
        """Return whether the place of another session can be found."""
        return len(self.keys) == len(self.ids)

    @property
    def session_count(self) -> int:
        """The number of sessions inside the filter."""
        return len(self.ids) + sum(map(len, self.members.values())) - len(self.absent)

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
            keys=keys,
            members={head: members for head, members in self.members.items() if head not in sessions},
            late={head: late for head, late in self.late.items() if head not in sessions},
            absent=self.absent.difference(sessions),
        )

    def joined_by(self, other: Self, places: Sequence[int]) -> Self:
        """Return the order with the rows of ``other``, each before the row of this one at its place."""
        ids, keys = array("q"), array("d")
        last = 0
        for place, session, key in zip(places, other.ids, other.keys, strict=True):
            ids.extend(self.ids[last:place])
            keys.extend(self.keys[last:place])
            ids.append(session)
            keys.append(key)
            last = place
        ids.extend(self.ids[last:])
        keys.extend(self.keys[last:])
        return self._replace(
            ids=ids,
            keys=keys,
            members={**self.members, **other.members},
            late={**self.late, **other.late},
            absent=self.absent | other.absent,
            newest=other.newest,
        )

    def iterate_named(self) -> Iterator[int]:
        """Yield every session that is a row here, or folded under one."""
        yield from self.ids
        for members in self.members.values():
            yield from members


def _ascending(numbers: Sequence[Number], *, descending: bool) -> array[float]:
    if numbers and max(abs(numbers[0]), abs(numbers[-1])) >= _EXACT_MAX:
        return array("d")
    return array("d", map(neg, numbers) if descending else numbers)
