"""A summary as CSV: a line for each group, all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aico.core.money import exact_usd
from aico.core.sums import OWN
from aico.features.usage.export import Cell, ExportFormat, ExportWriter
from aico.features.usage.fields import SumFields, sum_fields, tells_only_totals
from aico.services.summary import UsageSummary
from aico.services.summary_fields import group_names

_NUMBERS = tuple(name.replace("_nano", "_usd") for name in SumFields._fields)


def summary_csv(summary: UsageSummary) -> Iterator[str]:
    """Yield the text of ``summary`` by its groups, guarded against formulas; an empty cell is unknown."""
    writer = ExportWriter(ExportFormat.CSV)
    yield writer.begin([*group_names(summary.by), *_NUMBERS, "sessions", "own_cost_usd"])
    for names, group in summary.groups.items():
        fields = sum_fields(group.sums)._asdict()
        if tells_only_totals(group.sums):
            fields["requests"] = None
        numbers: list[Cell] = [
            exact_usd(number) if name.endswith("_nano") and number is not None else number
            for name, number in fields.items()
        ]
        own = group.sums.vector[OWN]
        cells = [*numbers, group.counts.sessions, exact_usd(own) if own else None]
        yield writer.add([[*(name or None for name in names), *cells]])
    yield writer.end()
