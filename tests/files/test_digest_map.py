"""Values by digests: as a dictionary has them, whatever the bytes are."""

from __future__ import annotations

from random import Random

import pytest

from aico.features.files.digest_map import DigestMap

KEY, VALUE = 4, 6


def test_random_changes_leave_what_a_dictionary_has() -> None:
    """Of few different bytes, so that digests stand inside of others, of values, and across their borders."""
    for seed in range(40):
        rng = Random(seed)  # noqa: S311 - reproducible on purpose
        found, known = DigestMap(KEY, VALUE), dict[bytes, bytes]()
        for _ in range(400):
            key, value = bytes(rng.choices(b"\0\1", k=KEY)), bytes(rng.choices(b"\0\1", k=VALUE))
            if rng.random() < 0.6:
                found.put(key, value)
                known[key] = value
            else:
                found.remove(key)
                known.pop(key, None)
            other = bytes(rng.choices(b"\0\1", k=KEY))
            assert found.get(other) == known.get(other)
            assert (other in found) == (other in known)
        assert dict(found.items()) == known
        assert sorted(found) == sorted(known)


def test_copied_keys_do_not_change_with_the_map() -> None:
    """They are a set: a key that is taken out of either stays in the other."""
    found = DigestMap(KEY, VALUE)
    for number in range(3):
        found.put(bytes([number] * KEY), b"value.")
    keys = found.copy_keys()
    found.remove(bytes(KEY))
    keys.remove(bytes([1] * KEY))
    assert sorted(keys) == [bytes(KEY), bytes([2] * KEY)]
    assert sorted(found) == [bytes([1] * KEY), bytes([2] * KEY)]


@pytest.mark.parametrize(("key", "value"), [(b"123", b"value."), (b"12345", b"value"), (b"1234", b"value")])
def test_other_sizes_are_refused(key: bytes, value: bytes) -> None:
    """They would be read as parts of others."""
    found = DigestMap(KEY, VALUE)
    with pytest.raises(ValueError, match="size"):
        found.put(key, value)
    assert list(found) == []
    assert found.get(key) is None
    found.remove(key)
