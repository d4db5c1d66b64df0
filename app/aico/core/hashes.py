"""Sets of thousands of texts of which nobody asks more than whether one of them is in it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator


class Hashes:
    """The hashes of texts: eight bytes for each, where a set takes fifty and the texts more.

    Two of 10,000 texts have the same hash in one of 10^11 processes; each process hashes in its own way.
    """

    __slots__ = ("_sorted",)

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._sorted = array("q", sorted(set(hashes)))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Hashes:
        """Return those of ``texts``."""
        return cls(map(hash, texts))

    def has(self, text: str) -> bool:
        """Return whether ``text`` is one of the texts."""
        return self.holds(hash(text))

    def holds(self, number: int) -> bool:
        """Return whether ``number`` is the hash of one of the texts."""
        found = self._sorted
        at = bisect_left(found, number)
        return at < len(found) and found[at] == number

    def discard(self, text: str) -> None:
        """Leave ``text`` out."""
        if self.has(text):
            del self._sorted[bisect_left(self._sorted, hash(text))]

    def __iter__(self) -> Iterator[int]:
        """Yield the hashes."""
        return iter(self._sorted)

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self._sorted)
