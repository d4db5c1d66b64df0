"""Random readings out of small pools, so that the same session, slot and model come up again and again."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from aico.core.usage import SLOT_MS, MeterReading, SessionState
from tests.core.repository_on_file import NOW_MS

TASK_IDS = ("1", "2", "a%b", "A_b", "it's")
MODELS = (None, "m", "vendor/m_2", "M%")
MOMENTS = tuple(
    NOW_MS + shift for shift in (0, 1, -1, -SLOT_MS, SLOT_MS, -100_000, -100_001, 40 * SLOT_MS, -500 * SLOT_MS)
)
COUNTS = st.one_of(st.sampled_from([0, 1, 7, 10**12]), st.integers(0, 10**12))
COSTS = st.one_of(
    st.sampled_from([0.0, 0.1, 0.30000000000000004, 5e-10, 1.5e-9, 1e-9, 12.345678901, 1e6, 999_999.9999999995]),
    st.floats(0, 1e6),
)
UNKNOWN: st.SearchStrategy[None] = st.none()


def readings(
    sessions: Sequence[str] = TASK_IDS,
    models: Sequence[str | None] = MODELS,
    moments: Sequence[int] = MOMENTS,
    *,
    is_partial: bool = False,
) -> st.SearchStrategy[MeterReading]:
    """Return a strategy for one reading of a running total; ``is_partial``: any number of it may be unknown."""
    counts, costs = (st.one_of(COUNTS, UNKNOWN), st.one_of(COSTS, UNKNOWN)) if is_partial else (COUNTS, COSTS)
    return st.builds(
        MeterReading,
        session=st.sampled_from(sessions),
        ts=st.sampled_from(moments),
        model=st.sampled_from(models),
        input=counts,
        cache_read=counts if is_partial else UNKNOWN,
        cache_write_5m=UNKNOWN,
        cache_write_1h=UNKNOWN,
        output=counts,
        reasoning=UNKNOWN,
        cost_usd=costs,
        state=st.sampled_from(SessionState),
        parent=st.none(),
        unknown=st.sampled_from([(), (), ("x",), ("y", "x")]) if is_partial else st.just(()),
        forked_from=st.none(),
        started_ts=st.none(),
    )


@st.composite
def altered(draw: st.DrawFn, seen: Sequence[MeterReading], like: st.SearchStrategy[MeterReading]) -> MeterReading:
    """Draw one of ``seen`` with up to two fields of another reading, never its session."""
    entry, other = draw(st.sampled_from(seen)), draw(like)
    places = draw(st.sets(st.sampled_from([1, 2, 3, 7, 9, 12]), max_size=2))
    pairs = enumerate(zip(entry, other, strict=True))
    return MeterReading._make(new if place in places else old for place, (old, new) in pairs)


@st.composite
def histories(draw: st.DrawFn, like: st.SearchStrategy[MeterReading], *, longest: int = 7) -> list[list[MeterReading]]:
    """Draw readings of a file that grows, shrinks, loses entries and gets them back; no session twice in one."""
    found: list[list[MeterReading]] = []
    seen: list[MeterReading] = []
    for _ in range(draw(st.integers(2, longest))):
        listed = draw(st.lists(like, max_size=4))
        if seen:
            listed += draw(st.lists(altered(seen, like), max_size=5))
        found.append(list({entry.session: entry for entry in listed}.values()))
        seen += found[-1]
    return found
