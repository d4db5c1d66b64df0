"""Values of one size by digests, of thousands of files, in a third of the memory of a dictionary. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

_BUCKETS = 256
"""By the first byte of a digest, which is any of them as often."""


class DigestMap:
    """A dictionary of digests of ``key_size`` bytes, with values of ``value_size`` bytes. Not for two threads at once.

    A dictionary has two objects and a place in its table for each, 170 bytes; here all of a bucket are one object.
    """

    __slots__ = ("_buckets", "_key_size", "_size")

    def __init__(self, key_size: int, value_size: int) -> None:
        self._key_size = key_size
        self._size = key_size + value_size
        self._buckets = [b""] * _BUCKETS

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, None if it has none."""
        at = self._find(key)
        return None if at is None else self._buckets[key[0]][at + self._key_size : at + self._size]

    def put(self, key: bytes, value: bytes) -> None:
        """Let ``key`` have ``value``. Raises ValueError if either has another size than all others."""
        if len(key) != self._key_size or len(key) + len(value) != self._size:
            raise ValueError("a digest or a value has another size than all others")
        self.remove(key)
        self._buckets[key[0]] += key + value

    def remove(self, key: bytes) -> None:
        """Let ``key`` have no value."""
        at = self._find(key)
        if at is not None:
            bucket = self._buckets[key[0]]
            self._buckets[key[0]] = bucket[:at] + bucket[at + self._size :]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield each key with its value; what is changed meanwhile may be among them or not."""
        for bucket in self._buckets:
            for at in range(0, len(bucket), self._size):
                middle = at + self._key_size
                yield bucket[at:middle], bucket[middle : at + self._size]

    def copy_keys(self) -> DigestMap:
        """Return a set of the keys of now: a map to values without a byte."""
        keys = DigestMap(self._key_size, 0)
        keys._buckets = [
            b"".join([bucket[at : at + self._key_size] for at in range(0, len(bucket), self._size)])
            for bucket in self._buckets
        ]
        return keys

    def __contains__(self, key: bytes) -> bool:
        """Return whether ``key`` has a value."""
        return self._find(key) is not None

    def __iter__(self) -> Iterator[bytes]:
        """Yield each key."""
        return (key for key, _value in self.items())

    def _find(self, key: bytes) -> int | None:
        """Return where ``key`` begins in its bucket."""
        if len(key) != self._key_size:
            return None
        bucket = self._buckets[key[0]]
        at = bucket.find(key)
        while at >= 0 and at % self._size:
            # Not where a digest begins: a part of something else happens to look like it.
            at = bucket.find(key, at + 1)
        return at if at >= 0 else None
