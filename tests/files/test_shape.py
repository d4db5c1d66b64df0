"""Which paths are a tool's, by their names."""

from __future__ import annotations

from aico.features.files.shape import Shape


def test_folders_of_a_kind_share_what_may_follow() -> None:
    """There are thousands of a few kinds: a set for each would be a quarter of a kilobyte."""
    shape = Shape(("*/*.jsonl", "*/*/agents/**/*.jsonl"))
    assert shape.find_rests("one") is shape.find_rests("two")
    assert shape.find_rests("one/two/agents") is shape.find_rests("two/one/agents")
    assert shape.find_rests("one/two/agents/deeper/still") is shape.find_rests("one/two/agents/other")
    assert shape.find_rests("one/two/agents") == shape.find_rests("one/two/agents/deeper")
    assert not shape.find_rests("one/two/other")
