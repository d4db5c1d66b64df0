"""A known request said again: numbers only rise, in any order."""

from __future__ import annotations

from itertools import permutations

import pytest

from aico.core.usage import RequestState
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import Store, read_rows, request

SAID = [
    request(output=29, state=RequestState.AT_LEAST),
    request(output=5, state=RequestState.FINAL),
    request(output=1, state=RequestState.INTERRUPTED),
]


@pytest.mark.parametrize("order", list(permutations(SAID)))
@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_final_answer_below_a_placeholder_lowers_nothing(
    store: Store, order: list[object], *, is_one_batch: bool
) -> None:
    """It ends the request; the greater output stays, as it would if the final line had come first."""
    for batch in [order] if is_one_batch else [[each] for each in order]:
        await store.take_in_of("tool", batch)  # type: ignore[arg-type]  # requests, all of them
    rows = read_rows(store.path, "SELECT output, state FROM usage_event")
    assert rows == [(29, RequestState.FINAL.value)]
    assert read_rows(store.path, "SELECT output, requests FROM usage_total") == [(29, 1)]
    assert failed_checks(store.path) == []
