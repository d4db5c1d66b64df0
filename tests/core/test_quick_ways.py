"""Quick ways of the accounts say what the plain ones do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aico.core.sums import GROWTH, PROMPT, REQUEST, WIDTH, Costs, EventKind, add, measure, measure_all
from aico.core.usage import RequestState, Tokens, digest, digests_behind, digests_of_numbers

COUNTS = st.sampled_from([None, None, 0, 0, 1, 7, 10**12])
TOKENS = st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
COSTS = st.builds(Costs, COUNTS, COUNTS, COUNTS)
EVENTS = st.lists(st.tuples(TOKENS, COSTS, st.sampled_from(RequestState), st.booleans()), min_size=1, max_size=6)
PARTS = st.lists(st.one_of(st.none(), st.integers(), st.binary(), st.text()), max_size=3)


@given(st.sampled_from([REQUEST, GROWTH, PROMPT]), EVENTS)
def test_events_measured_at_once_are_the_sum_of_each(
    kind: EventKind, events: list[tuple[Tokens, Costs, RequestState, bool]]
) -> None:
    """That holds for fields that are unknown or unpriced, and for any states."""
    expected = [0] * WIDTH
    for tokens, costs, state, is_partial in events:
        add(expected, measure(kind, tokens, costs, state, is_partial=is_partial))
    assert (
        measure_all(
            kind,
            [event[0] for event in events],
            [event[1] for event in events],
            [event[2] for event in events],
            partial_count=sum(event[3] for event in events),
        )
        == expected
    )


@given(PARTS, st.binary())
def test_prepared_digest_of_bytes_is_the_digest(parts: list[str | int | bytes | None], last: bytes) -> None:
    """Also a second time: what was prepared is not used up."""
    prepared = digests_behind(*parts)
    assert prepared(last) == prepared(last) == digest(*parts, last)


@given(PARTS, st.lists(st.integers(), max_size=5))
def test_prepared_digest_of_numbers_is_the_digest(parts: list[str | int | bytes | None], numbers: list[int]) -> None:
    """Also a second time, of any numbers."""
    prepared = digests_of_numbers(*parts)
    assert prepared(numbers) == prepared(numbers) == digest(*parts, *numbers)
