"""The shapes of activity in answers and commands. Estimates are divided here, once; they are never added to money."""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field

from aico.core.activity import KINDS, estimate_nano
from aico.core.db.activity import SubjectSum, list_spans, list_sums
from aico.core.filters import slot_ceiling, slot_floor
from aico.core.money import usd
from aico.core.units import SLOT_MS
from aico.services.activity import ActivityService, KindStatus
from aico.services.shapes import Schema

KindStateName: TypeAlias = Literal["off", "watching", "unavailable", "failed"]
SubjectName: TypeAlias = Literal["app", "command", "domain"]
SPANS_MAX = 500


class ActivityKindOut(Schema):
    """A way of seeing use, with its switch."""

    id: str
    title: str
    enabled: bool
    fixed_by: str | None = Field(description="The setting that decides; null where the switch does.")
    switched_at: int | None = Field(description="When the switch was set last, epoch milliseconds.")
    state: KindStateName
    reason: str | None = Field(description="Why it is not seen, or not all of it.")
    reads: str = Field(description="What is looked at.")
    never_read: str = Field(description="What is not.")

    @classmethod
    def of(cls, status: KindStatus) -> Self:
        """Return the shape of ``status``."""
        kind = status.kind
        return cls(
            id=kind.id,
            title=kind.title,
            enabled=status.is_on,
            fixed_by=status.fixed_by,
            switched_at=None if status.switch is None else status.switch.changed_at,
            state=status.state.value,
            reason=status.reason,
            reads=kind.reads,
            never_read=kind.never_read,
        )


class ActivitySubjectOut(Schema):
    """A listed app, command or site that was used in the period, or runs now."""

    kind: str
    type: SubjectName
    subject: str
    category: str
    place: str = Field(description="The shell or the browser; empty for programs.")
    is_assumed: bool = Field(description="An editor runs; that its assistant is used is assumed.")
    seconds: float = Field(description="Of use, each counted once.")
    count: int = Field(description="Commands that were called, pages that were visited.")
    hourly_rate_usd: float | None = Field(description="Null where it is no longer listed.")
    estimated_cost_usd: float | None = Field(description="The time at that rate: an estimate, no money.")
    last_at: int | None = Field(description="End of its last use ever, epoch milliseconds.")
    is_running: bool
    is_in_front: bool
    cpu_percent: float | None = Field(description="Of one processor, all its processes together; null if it rests.")
    memory_mb: float | None


class ActivitySpanOut(Schema):
    """A stretch of use."""

    kind: str
    subject: str
    place: str
    start: int = Field(description="Epoch milliseconds.")
    seconds: float


class ActivityOut(Schema):
    """The use of apps, commands and sites in a period."""

    from_: int = Field(alias="from", description="Epoch milliseconds, rounded out to slots of 15 minutes.")
    to: int
    kinds: list[ActivityKindOut]
    subjects: list[ActivitySubjectOut] = Field(description="The longest use first.")
    seconds: float = Field(description="The sum of all subjects.")
    estimated_cost_usd: float = Field(description="An estimate, never added to money.")
    spans: list[ActivitySpanOut] = Field(description="The newest first.")
    has_more_spans: bool


async def get_activity(service: ActivityService, from_ms: int, to_ms: int) -> ActivityOut:
    """Return the use between two moments, rounded out to slots. Raises StorageBusy, StorageError."""
    first, end = slot_floor(from_ms), max(slot_floor(from_ms) + 1, slot_ceiling(to_ms))
    async with service.database.asking() as ask:
        sums = await list_sums(ask, first, end)
        spans = await list_spans(ask, first * SLOT_MS, end * SLOT_MS, SPANS_MAX + 1)
    known = {(each.kind, each.name) for each in sums}
    resting = [
        SubjectSum(kind, name, "", _category_of(service, kind, name), 0, 0, 0)
        for kind, name in service.list_programs()
        if (kind, name) not in known
    ]
    subjects = [_subject_of(service, each) for each in [*sums, *resting]]
    return ActivityOut.model_validate(
        {
            "from": first * SLOT_MS,
            "to": end * SLOT_MS,
            "kinds": [ActivityKindOut.of(status) for status in service.list_kinds()],
            "subjects": subjects,
            "seconds": sum(each.duration_ms for each in sums) / 1000,
            "estimated_cost_usd": usd(sum(_estimate(service, each) for each in sums)),
            "spans": [
                ActivitySpanOut(
                    kind=each.kind,
                    subject=each.name,
                    place=each.place,
                    start=each.start_ms,
                    seconds=each.duration_ms / 1000,
                )
                for each in spans[:SPANS_MAX]
            ],
            "has_more_spans": len(spans) > SPANS_MAX,
        }
    )


def _subject_of(service: ActivityService, each: SubjectSum) -> ActivitySubjectOut:
    definition = service.definitions.find(each.kind, each.name)
    program = service.list_programs().get((each.kind, each.name))
    return ActivitySubjectOut(
        kind=each.kind,
        type=KINDS[each.kind].of.value if each.kind in KINDS else "domain",
        subject=each.name,
        category=each.category,
        place=each.place,
        is_assumed=definition is not None and definition.is_assumed,
        seconds=each.duration_ms / 1000,
        count=each.count,
        hourly_rate_usd=None if definition is None else definition.hourly_rate_usd,
        estimated_cost_usd=None if definition is None else usd(_estimate(service, each)),
        last_at=each.last_ms or None,
        is_running=program is not None,
        is_in_front=program is not None and program.is_in_front,
        cpu_percent=None if program is None else round(program.cpu_percent, 1),
        memory_mb=None if program is None else round(program.memory_mb, 1),
    )


def _category_of(service: ActivityService, kind: str, name: str) -> str:
    definition = service.definitions.find(kind, name)
    return "" if definition is None else definition.category


def _estimate(service: ActivityService, each: SubjectSum) -> int:
    definition = service.definitions.find(each.kind, each.name)
    return 0 if definition is None else estimate_nano(each.duration_ms, definition.hourly_rate_usd)
