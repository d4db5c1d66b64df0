"""Sets of texts of which only the hashes are kept."""

from __future__ import annotations

from aico.core.hashes import Hashes


def test_hashes_tell_which_texts_are_in_them() -> None:
    """Each once, until it is left out."""
    texts = [f"/home/dev/{number}" for number in range(1_000)]
    hashes = Hashes.of([*texts, *texts])
    assert len(hashes) == 1_000
    assert all(map(hashes.has, texts))
    assert not any(hashes.has(f"{text}/below") for text in texts)
    hashes.discard("/nowhere")
    hashes.discard(texts[500])
    assert [text for text in texts if not hashes.has(text)] == [texts[500]]
    assert sorted(hashes) == sorted(map(hash, texts[:500] + texts[501:]))
    assert not Hashes().has("")
