"""The fields of sums and summaries, as plain objects in the order of the interface: for answers and the terminal.

Money is divided here, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from aico.core.db.sums_reader import Group, SessionCounts
from aico.core.money import usd
from aico.core.sums import LISTED, OWN, RECORDED, Sums
from aico.core.units import Tokens
from aico.features.usage.fields import SumFields, sum_fields
from aico.services.summary import DAY, Counted, SeriesPoint, UsageSummary, heaviest

GROUPS_MAX = 1_000
"""Groups of one answer; the others are added up."""
PARTS_MAX = 24
"""Parts of a series; the others are added up."""
Fields: TypeAlias = dict[str, object]

_GROUP_FIELDS = {
    Group.SOURCE.value: "source",
    Group.MODEL.value: "model",
    Group.SESSION.value: "session_id",
    Group.PROJECT.value: "project",
    DAY: "day",
}
_AMOUNTS = tuple(name for name in SumFields._fields if not name.endswith("_nano"))
"""The first of the fields: money comes last, and is divided."""
_NULLABLE = {"model", "project"}
"""Groups whose empty name means that it is unknown."""


def amount_fields(sums: Sums, stated: Tokens | None = None) -> Fields:
    """Return the fields of a sum; ``stated`` is the running total of the session that it is of."""
    amounts = sum_fields(sums, stated)
    return {
        **dict(zip(_AMOUNTS, amounts, strict=False)),
        "recorded_cost_usd": usd_or_none(amounts.recorded_cost_nano),
        "list_cost_usd": usd_or_none(amounts.list_cost_nano),
        "cost_usd": usd_or_none(amounts.cost_nano),
        "plan_value_usd": usd(sums.planned_nano),
        "cost_basis": {
            "recorded": usd(sums.vector[RECORDED]),
            "own": usd(sums.vector[OWN]),
            "listed": usd(sums.vector[LISTED]),
        },
        "at_least": amounts.is_at_least,
    }


def point_fields(point: SeriesPoint) -> Fields:
    """Return the fields of one bucket."""
    return {
        **_sum_fields(point.sums),
        "start": point.start_ms,
        "cumulative_cost_usd": usd(point.cumulative_nano),
    }


def counted_fields(group: Counted) -> Fields:
    """Return the fields of a sum with the sessions behind it."""
    return {
        **_sum_fields(group.sums),
        "sessions": group.counts.sessions,
        "unpriced_sessions": group.counts.unpriced,
    }


def group_fields(by: Sequence[str], names: tuple[str, ...], group: Counted) -> Fields:
    """Return the fields of one group; it has the names of what ``by`` says."""
    named = dict(zip(by, names, strict=True))
    told = {
        field: None if not named[each] and each in _NULLABLE else named[each]
        for each, field in _GROUP_FIELDS.items()
        if each in named
    }
    return {**counted_fields(group), **told}


def group_names(by: Sequence[str]) -> list[str]:
    """Return what the interface calls what groups are told apart ``by``."""
    return [_GROUP_FIELDS[each] for each in by]


def summary_fields(summary: UsageSummary, tz: str) -> Fields:
    """Return the fields of the answer for ``summary``: those of ``GET /api/summary``, in its order."""
    groups, others = heaviest(summary.groups, GROUPS_MAX)
    return {
        "from": summary.from_ms,
        "to": summary.to_ms,
        "ahead_from": summary.ahead_from_ms,
        "tz": tz,
        "bucket": summary.bucket.value,
        "totals": counted_fields(summary.totals),
        "previous": None if summary.previous is None else counted_fields(summary.previous),
        "by": list(summary.by),
        "groups": [group_fields(summary.by, names, group) for names, group in groups.items()] if summary.by else [],
        "other": _other_fields(others) if others else None,
        "series": [point_fields(point) for point in summary.series],
        **({} if summary.split is None else {"parts": _parts_fields(summary.split, summary.parts)}),
        "exact_since": dict(summary.exact_since),
        "database_id": summary.epoch,
        "commit_seq": summary.revision,
    }


def usd_or_none(nano: int | None) -> float | None:
    """Return the US dollars of ``nano`` nano-dollars; None stays None."""
    return None if nano is None else usd(nano)


def _sum_fields(sums: Sums) -> Fields:
    fields = amount_fields(sums)
    fields["requests"] = fields.pop("requests")  # a session has none of its own in the interface: they come last
    return fields


def _parts_fields(split: Group, parts: Mapping[str, Sequence[Sums]]) -> list[Fields]:
    whole = {name: Sums.total(sums) for name, sums in parts.items()}
    chosen = sorted(whole, key=lambda name: (whole[name].cost_nano, whole[name].token_count), reverse=True)[:PARTS_MAX]
    listed = [
        {split.value: None if not name and split.value in _NULLABLE else name, **_part_fields(sums)}
        for name, sums in parts.items()
        if name in chosen
    ]
    rest = [sums for name, sums in parts.items() if name not in chosen]
    if rest:
        added = [Sums.total(each) for each in zip(*rest, strict=True)]
        listed.append({"groups": len(rest), **_part_fields(added)})
    return listed


def _part_fields(sums: Sequence[Sums]) -> Fields:
    return {"cost_usd": [usd(each.cost_nano) for each in sums], "tokens": [each.token_count for each in sums]}


def _other_fields(others: Sequence[Counted]) -> Fields:
    total = Counted(Sums.total(other.sums for other in others), SessionCounts())
    # A session may belong to several groups, so the numbers of their sessions do not add up.
    return {**counted_fields(total), "groups": len(others)}
