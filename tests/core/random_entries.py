"""Random entries out of small pools, so that the same task, quarter and model come up again and again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from aico.core.domain import TaskUsage
from tests.core.repository_on_file import NOW_MS

QUARTER_MS = 900_000
TASK_IDS = ("1", "2", "a%b", "A_b", "it's")
MODELS = (None, "m", "vendor/m_2", "M%")
MOMENTS = tuple(
    NOW_MS + shift
    for shift in (0, 1, -1, -QUARTER_MS, QUARTER_MS, -100_000, -100_001, 40 * QUARTER_MS, -500 * QUARTER_MS)
)
COUNTS = st.one_of(st.sampled_from([0, 1, 7, 10**12]), st.integers(0, 10**12))
COSTS = st.one_of(
    st.sampled_from([0.0, 0.1, 0.30000000000000004, 5e-10, 1.5e-9, 1e-9, 12.345678901, 1e6, 999_999.9999999995]),
    st.floats(0, 1e6),
)


def entries(
    task_ids: Sequence[str] = TASK_IDS, models: Sequence[str | None] = MODELS, moments: Sequence[int] = MOMENTS
) -> st.SearchStrategy[TaskUsage]:
    """Return a strategy for one entry."""
    return st.builds(
        TaskUsage,
        task_id=st.sampled_from(task_ids),
        ts=st.sampled_from(moments),
        model_id=st.sampled_from(models),
        tokens_in=COUNTS,
        tokens_out=COUNTS,
        total_cost=COSTS,
    )


def as_ledger(listed: Sequence[TaskUsage]) -> bytearray:
    """Return the bytes of a ledger with these entries, duplicates and all."""
    return bytearray(
        json.dumps(
            [
                {
                    "id": entry.task_id,
                    "ts": entry.ts,
                    "tokensIn": entry.tokens_in,
                    "tokensOut": entry.tokens_out,
                    "totalCost": entry.total_cost,
                }
                | ({} if entry.model_id is None else {"modelId": entry.model_id})
                for entry in listed
            ]
        ).encode()
    )


def winners(listed: Sequence[TaskUsage]) -> list[TaskUsage]:
    """Return the entries that count: of one id the greatest ``ts``, at equal ``ts`` the later."""
    chosen: dict[str, TaskUsage] = {}
    for entry in listed:
        if entry.task_id not in chosen or entry.ts >= chosen[entry.task_id].ts:
            chosen[entry.task_id] = entry
    return list(chosen.values())
