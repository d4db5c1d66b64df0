"""The shapes of usage in answers, messages and commands: one for each thing. Money is divided here, once.

A function makes the fields, so that a message of 500 rows costs no validation; a class describes and checks them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from aico.core.db.comparing import Compared
from aico.core.db.reader import StoredEvent, StoredSession
from aico.core.money import usd
from aico.core.receipts import FreshSession, ImportReceipt
from aico.core.sums import REQUEST, Costs, Sums
from aico.core.usage import TOKENS, Rejection, SessionState, Tokens
from aico.features.usage.periods import Bucket
from aico.services.queries import SessionDetail, SessionPage
from aico.services.summary import UsageSummary
from aico.services.summary_fields import (
    Fields,
    amount_fields,
    counted_fields,
    point_fields,
    summary_fields,
    usd_or_none,
)

StateName: TypeAlias = Literal["running", "done", "interrupted", "failed"]
RequestStateName: TypeAlias = Literal["final", "open", "interrupted", "at_least", "unmeasured"]
BasisName: TypeAlias = Literal["recorded", "own", "listed", "none"]
_TOKEN_FIELDS = tuple(f"{name}_tokens" for name in TOKENS)


class Schema(BaseModel):
    """Immutable, and without room for what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class CostBasisOut(Schema):
    """The parts of a sum by the origin of their price, in US dollars."""

    recorded: float
    own: float
    listed: float


class AmountsOut(Schema):
    """Tokens, costs and counts of a sum. Null is unknown: nothing of the kind was told, and some may be missing."""

    input_tokens: int | None = Field(description="Uncached input. All kinds of tokens are disjoint, but for reasoning.")
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None = Field(
        description="Cache writes with a life of five minutes, or of unknown life."
    )
    cache_write_1h_tokens: int | None
    output_tokens: int | None = Field(description="Everything billed as output, reasoning included.")
    reasoning_tokens: int | None = Field(description="The part of the output that was reasoning.")
    prompts: int | None = Field(description="Prompts of the user.")
    unpriced_requests: int = Field(description="Tokens and nobody who says what they cost.")
    unmeasured_requests: int = Field(description="No tokens known.")
    interrupted_requests: int = Field(description="Output unknown.")
    at_least_requests: int = Field(description="Output a lower bound.")
    lacking_cache_requests: int = Field(description="Of a tool that does not tell its cache.")
    partial_requests: int = Field(description="With a field that could not be used.")
    recorded_cost_usd: float | None = Field(description="The tool's own.")
    list_cost_usd: float | None = Field(description="The value of everything at list prices.")
    cost_usd: float | None = Field(description="As recorded, else at the user's own price, else at a list price.")
    plan_value_usd: float = Field(
        description="At list prices, of usage that a plan pays for: a value beside the cost, and no part of it."
    )
    cost_basis: CostBasisOut
    at_least: bool = Field(description="Something of it is not known, so that there may be more.")


class SumsOut(AmountsOut):
    """A sum."""

    requests: int = Field(description="Recorded requests; the growth of a running total is none.")

    @classmethod
    def of(cls, sums: Sums) -> Self:
        """Return the shape of ``sums``."""
        return cls.model_validate(amount_fields(sums))


class CountedOut(SumsOut):
    """A sum with the sessions behind it."""

    sessions: int | None = Field(description="Distinct sessions; null where groups are added up that may share some.")
    unpriced_sessions: int | None = Field(description="Sessions that spent tokens at no cost at all.")


class GroupOut(CountedOut):
    """The sum of one group; it has the fields that were asked for in ``by``."""

    source: str | None = None
    model: str | None = Field(default=None, description="Null: unknown.")
    session_id: str | None = None
    project: str | None = Field(default=None, description="Null: none is stored.")
    day: date | None = Field(default=None, description="Local, `YYYY-MM-DD`.")


class OtherOut(CountedOut):
    """The sum of the groups beyond the first thousand."""

    groups: int


class SeriesPointOut(SumsOut):
    """One bucket."""

    start: int = Field(description="Epoch milliseconds.")
    cumulative_cost_usd: float


class PartOut(Schema):
    """The share of one source, model or project in each point of the series. Unknown numbers add nothing to it."""

    source: str | None = None
    model: str | None = Field(default=None, description="Null: unknown.")
    project: str | None = Field(default=None, description="Null: none is known.")
    groups: int | None = Field(default=None, description="Set where others are added up here: how many.")
    cost_usd: list[float]
    tokens: list[int] = Field(description="All kinds.")


class SummaryOut(Schema):
    """Sums of a stretch of time: all of them are made of the same events."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: int = Field(alias="from", description="Epoch milliseconds, rounded out to a quarter of an hour.")
    to: int = Field(description="Exclusive; rounded likewise.")
    ahead_from: int | None = Field(
        description="Without `from` and `to`: where the last point of the series begins, if that one holds all that is "
        "dated more than a day ahead; else null."
    )
    tz: str
    bucket: Bucket
    totals: CountedOut
    previous: CountedOut | None = Field(description="The equally long stretch before; null without `from`.")
    by: list[str]
    groups: list[GroupOut] = Field(
        description="The thousand that cost most; days ascend, else the most expensive first."
    )
    other: OtherOut | None = Field(description="The others, added up.")
    series: list[SeriesPointOut] = Field(description="Gapless.")
    parts: list[PartOut] = Field(
        default=[],
        description="The series told apart by `split`: the 24 that cost most, those with most over all time first, "
        "and the others added up. Each number of the series is the sum of its parts.",
    )
    exact_since: dict[str, int | None] = Field(
        description="By source: from when on usage was seen as it happened, epoch milliseconds."
    )
    database_id: str
    commit_seq: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, summary: UsageSummary, tz: str) -> Self:
        """Return the answer for ``summary``."""
        return cls.model_validate(summary_fields(summary, tz))


class StatedOut(Schema):
    """A session's running total as its tool shows it now: it may fall, the spending does not."""

    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None


class SessionFieldsOut(AmountsOut):
    """A session: its own numbers are everything that it spent, ``spent`` is the part that was asked for."""

    source: str
    session_id: str
    label: str | None = Field(description="The user's own name for it.")
    project: str | None
    started_at: int = Field(description="Start as its tool tells it, else first activity; epoch milliseconds.")
    last_at: int = Field(description="Last activity, epoch milliseconds.")
    model: str | None = Field(description="Used last; null if unknown.")
    models: int | None = Field(description="How many it used; null in a message.")
    parent: str | None = Field(description="The session that started this one.")
    state: StateName | None = Field(description="Null: the tool does not tell.")
    origin: str | None = Field(description="The origin that states its running total; null for single requests.")
    stated: StatedOut | None
    has_fallen: bool = Field(description="The tool shows less now than it once did.")
    unknown: list[str] = Field(description="Names of fields that could not be used.")
    spent: SumsOut


class SessionItemOut(SessionFieldsOut):
    """A session in a page or a message."""

    requests: int
    folded: int = Field(default=0, description="Sessions that it began, whose sums are in `spent`: with `fold` alone.")

    @classmethod
    def of(cls, session: StoredSession) -> Self:
        """Return the shape of ``session``."""
        return cls.model_validate(session_fields(session) | {"folded": session.folded_count})


class SessionsOut(Schema):
    """A page of sessions."""

    items: list[SessionItemOut]
    limit: int
    offset: int
    total: int = Field(description="Items on all pages.")
    totals: CountedOut
    database_id: str
    commit_seq: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, page: SessionPage, limit: int, offset: int) -> Self:
        """Return the answer for ``page``."""
        return cls(
            items=[SessionItemOut.of(session) for session in page.items],
            limit=limit,
            offset=offset,
            total=page.row_count,
            totals=CountedOut.model_validate(counted_fields(page.totals)),
            database_id=page.epoch,
            commit_seq=page.revision,
        )


class RequestOut(Schema):
    """One request of a session, or what its running total grew by."""

    kind: Literal["request", "growth"]
    at: int = Field(description="Epoch milliseconds.")
    model: str | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    recorded_cost_usd: float | None
    list_cost_usd: float | None
    cost_usd: float | None
    cost_basis: BasisName
    price_list: str | None = Field(description="The list that `list_cost_usd` was taken from, and its version.")
    listed_as: str | None = Field(
        description="Its entry, as `seller/model`: it may be called otherwise than the model, and cost the same. "
        "Of inference in the US alone it ends in ` * 1.1 (inference_geo us)`: so much its prices were multiplied by."
    )
    state: RequestStateName
    unknown: list[str] = Field(description="Names of fields that could not be used.")

    @classmethod
    def of(cls, event: StoredEvent, *, is_under_plan: bool = False) -> Self:
        """Return the shape of ``event``; under a plan its list price is a value, and no cost."""
        cost_nano, basis = _basis(event.costs)
        if is_under_plan and basis == "listed":
            cost_nano, basis = None, "none"
        return cls.model_validate(
            {
                "kind": "request" if event.kind is REQUEST else "growth",
                "at": event.ts,
                "model": event.model or None,
                **_token_fields(event.tokens),
                "recorded_cost_usd": usd_or_none(event.costs.recorded),
                "list_cost_usd": usd_or_none(event.costs.list),
                "cost_usd": usd_or_none(cost_nano),
                "cost_basis": basis,
                "price_list": None if event.price_ref is None else event.price_ref.list,
                "listed_as": None if event.price_ref is None else event.price_ref.model,
                "state": event.state.name.lower(),
                "unknown": list(event.unknown),
            }
        )


class ComparedOut(Schema):
    """Requests of one source and model whose tool states a cost, and which have a list value as well."""

    source: str
    model: str | None
    requests: int
    recorded_cost_usd: float = Field(description="What the tool states of them: that is what counts.")
    list_cost_usd: float = Field(description="What the same requests cost by the list.")
    difference_usd: float = Field(description="Recorded less listed.")
    without_list_requests: int = Field(description="With a cost of the tool's, and no list value: in neither sum.")

    @classmethod
    def of(cls, compared: Compared) -> Self:
        """Return the shape of ``compared``."""
        return cls(
            source=compared.source,
            model=compared.model or None,
            requests=compared.requests,
            recorded_cost_usd=usd(compared.recorded_nano),
            list_cost_usd=usd(compared.list_nano),
            difference_usd=usd(compared.recorded_nano - compared.list_nano),
            without_list_requests=compared.without_list,
        )


class RelativeOut(Schema):
    """A session that started another one, or was started by it: its key and its name."""

    session_id: str
    label: str | None
    started_at: int = Field(description="Start as its tool tells it, else first activity; epoch milliseconds.")
    model: str | None
    state: StateName | None
    cost_usd: float | None = Field(description="All that it spent.")
    list_cost_usd: float | None = Field(description="Its value at list prices, also where a plan pays for it.")
    plan_value_usd: float = Field(description="The part of that value that a plan pays for, and that is no cost.")

    @classmethod
    def of(cls, session: StoredSession) -> Self:
        """Return the shape of ``session``."""
        fields = session_fields(session)
        return cls.model_validate({name: fields[name] for name in cls.model_fields})


class TogetherOut(SumsOut):
    """What a session and all that it started, however deep, spent together."""

    sessions: int = Field(description="How many they are, itself included.")


class SessionOut(SessionFieldsOut):
    """One session with a page of its requests."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    request_count: int = Field(description="Recorded requests.")
    children: list[str] = Field(description="Ids of the sessions that it started.")
    family: list[RelativeOut] = Field(description="Who started it, if that is stored, then its children in order.")
    together: TogetherOut
    requests: list[RequestOut] = Field(description="Newest first.")
    limit: int
    offset: int
    total: int = Field(description="Requests on all pages, the growth of a running total included.")
    from_: int = Field(alias="from", description="Of the series, epoch milliseconds.")
    to: int
    tz: str
    bucket: Bucket
    series: list[SeriesPointOut]
    compared: list[ComparedOut] = Field(description="What its tool states beside the list, by model.")
    database_id: str
    commit_seq: int

    @classmethod
    def of(cls, detail: SessionDetail, limit: int, offset: int, tz: str, *, is_under_plan: bool = False) -> Self:
        """Return the answer for ``detail``."""
        fields = session_fields(detail.session)
        return cls.model_validate(
            {
                **fields,
                "request_count": fields["requests"],
                "children": [child.key for child in detail.children],
                "family": [RelativeOut.of(each) for each in (detail.parent, *detail.children) if each is not None],
                "together": amount_fields(detail.family[1]) | {"sessions": detail.family[0]},
                "requests": [RequestOut.of(event, is_under_plan=is_under_plan) for event in detail.events],
                "limit": limit,
                "offset": offset,
                "total": detail.event_count,
                "from": detail.from_ms,
                "to": detail.to_ms,
                "tz": tz,
                "bucket": detail.bucket,
                "series": [point_fields(point) for point in detail.series],
                "compared": [ComparedOut.of(each) for each in detail.compared],
                "database_id": detail.epoch,
                "commit_seq": detail.revision,
            }
        )


class RejectionOut(Schema):
    """A refused entry, or a field of one: where and why, never what it says."""

    origin: str
    index: int
    code: str
    field: str | None


class SourceReceiptOut(Schema):
    """The result of a reading of one source."""

    source: str
    imported_count: int = Field(description="Entries written: added and updated.")
    added_count: int
    updated_count: int
    skipped_count: int = Field(description="Valid entries with nothing to do.")
    partial_count: int = Field(description="Entries that were taken without a field that could not be used.")
    error_count: int = Field(description="Entries that were refused.")
    remaining_count: int = Field(description="Entries of a first reading that goes on behind the answer.")
    duration_ms: float
    rejections: list[RejectionOut] = Field(description="The first 20.")
    partials: list[RejectionOut] = Field(description="The first 20 fields that could not be used.")

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the shape of ``receipt``."""
        return cls(
            source=receipt.source,
            imported_count=receipt.imported_count,
            added_count=receipt.added_count,
            updated_count=receipt.updated_count,
            skipped_count=receipt.skipped_count,
            partial_count=receipt.partial_count,
            error_count=receipt.error_count,
            remaining_count=receipt.remaining_count,
            duration_ms=receipt.duration_ms,
            rejections=list_rejections(receipt.rejections, receipt.origin),
            partials=list_rejections(receipt.partials, receipt.origin),
        )


def receipt_fields(receipt: ImportReceipt) -> Fields:
    """Return the fields of a receipt, for a command."""
    return SourceReceiptOut.of(receipt).model_dump(mode="json")


def list_rejections(rejections: Iterable[Rejection], origin: str) -> list[RejectionOut]:
    """Return the shape of entries or fields that could not be used, of ``origin`` unless they say of which."""
    return [
        RejectionOut(origin=each.origin or origin, index=each.index, code=each.code, field=each.field)
        for each in rejections
    ]


def session_fields(session: StoredSession) -> Fields:
    """Return the fields of a session in a page or a message."""
    total = amount_fields(session.total, session.stated)
    return {
        "source": session.source,
        "session_id": session.key,
        "label": session.label,
        "project": session.project,
        "started_at": session.first_ts,
        "last_at": session.last_ts,
        "model": session.model or None,
        "models": session.model_count,
        "parent": session.parent,
        "state": state_name(session.state),
        "origin": session.origin,
        "stated": None
        if session.stated is None
        else {**_token_fields(session.stated), "cost_usd": usd_or_none(session.stated_nano)},
        "has_fallen": session.has_fallen,
        "unknown": list(session.unknown),
        **total,
        # Of a new session both are one.
        "spent": total if session.spent is session.total else amount_fields(session.spent, session.stated),
    }


def stored_session(fresh: FreshSession) -> StoredSession:
    """Return a session that a commit has changed as it is stored now."""
    return StoredSession(
        id=0,
        source=fresh.source,
        key=fresh.session,
        parent=fresh.parent,
        label=fresh.label,
        project=fresh.project,
        first_ts=fresh.first_ts,
        last_ts=fresh.last_ts,
        seen_at=fresh.seen_at,
        model=fresh.model,
        state=fresh.state,
        spent=fresh.spent,
        total=fresh.total,
        origin=None if fresh.stated is None else fresh.origin,
        stated=fresh.stated,
        stated_nano=fresh.stated_nano,
        has_fallen=fresh.has_fallen,
        unknown=fresh.unknown,
    )


def state_name(state: SessionState) -> str | None:
    """Return the name of a session's state; None where its tool does not tell."""
    return None if state is SessionState.UNKNOWN else state.name.lower()


def _token_fields(tokens: Tokens) -> Fields:
    return dict(zip(_TOKEN_FIELDS, tokens, strict=True))


def _basis(costs: Costs) -> tuple[int | None, BasisName]:
    if costs.recorded is not None:
        return costs.recorded, "recorded"
    if costs.own is not None:
        return costs.own, "own"
    return costs.list, "none" if costs.list is None else "listed"
