"""The shapes of budgets, plans and the webhook, in answers and commands: one for each thing."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from aico.core.db.terms import Fired
from aico.core.money import usd
from aico.core.spending_settings import Amount, BudgetSettings, Currency, Part, PlanSettings, RenewalDay, shown_address
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.core.webhook import WebhookTarget
from aico.services.budget_standings import BudgetStanding
from aico.services.plan_values import PlanValue
from aico.services.shapes import Schema
from aico.services.summary_fields import usd_or_none
from aico.services.webhook import LastCall, id_of

AnswerName: TypeAlias = Literal["taken", "refused", "unreachable", "no_answer"]


class BudgetRequest(Schema):
    """A budget, as the user sets it."""

    period: BudgetPeriod
    amount_usd: Amount
    source: Part | None = None
    model: Part | None = None
    project: Part | None = None

    def as_budget(self, name: str) -> Budget:
        """Return the budget called ``name``."""
        settings = BudgetSettings(
            amount=self.amount_usd, period=self.period, source=self.source, model=self.model, project=self.project
        )
        return settings.as_budget(name, None)


class ToldOut(Schema):
    """A threshold that was reached in this period, and told."""

    id: str = Field(description="The same in message and webhook.")
    threshold: int = Field(description="Per cent.")
    at: int = Field(description="When that was seen, epoch milliseconds.")
    spent_usd: float = Field(description="What was spent then.")


class BudgetStandingOut(Schema):
    """A budget, and how it stands now."""

    name: str
    period: BudgetPeriod
    amount_usd: float = Field(description="US dollars in each period.")
    source: str | None = Field(description="Null: every one; likewise below.")
    model: str | None
    project: str | None
    spent_usd: float = Field(
        description="Recorded, own prices, and list prices of sources that are under no plan; in this period so far."
    )
    at_least: bool = Field(description="Something inside has no price or no tokens, so that there may be more.")
    reached: list[int] = Field(description="Thresholds in per cent, 80 and 100; one that was told is never taken back.")
    told: list[ToldOut]
    since: date = Field(description="First day of this period, where the service runs.")
    resets_at: int = Field(description="End of this period, epoch milliseconds.")
    usd_per_hour: float = Field(description="What was spent in the last 60 minutes.")
    reached_at: int | None = Field(description="When all of it is spent at that rate; null: not in this period.")
    fixed: bool = Field(description="The configuration decides.")
    fixed_by: str | None

    @classmethod
    def of(cls, standing: BudgetStanding, told: list[Fired]) -> Self:
        """Return the shape of ``standing``; ``told`` is what was told of it in this period."""
        budget = standing.budget
        return cls(
            name=budget.name,
            period=budget.period,
            amount_usd=usd(budget.amount_nano),
            source=budget.source,
            model=budget.model,
            project=budget.project,
            spent_usd=usd(standing.spent_nano),
            at_least=standing.is_at_least,
            reached=sorted({*standing.reached, *(each.key.threshold for each in told)}),
            told=[
                ToldOut(id=id_of(each), threshold=each.key.threshold, at=each.at, spent_usd=usd(each.spent_nano))
                for each in told
            ],
            since=standing.stretch.first_day,
            resets_at=standing.resets_at,
            usd_per_hour=usd(standing.per_hour_nano),
            reached_at=standing.reached_at,
            fixed=budget.fixed_by is not None,
            fixed_by=budget.fixed_by,
        )


class PlanLimits(Schema):
    """The limits of a plan that the user states, in US dollars at list prices."""

    five_hours_usd: Amount | None = None
    week_usd: Amount | None = None


class PlanRequest(Schema):
    """How a source is paid by subscription."""

    price: float = Field(ge=0, le=1e9, allow_inf_nan=False)
    currency: Currency = "USD"
    renews_on: RenewalDay
    limits: PlanLimits = PlanLimits()

    def as_plan(self, source: str) -> Plan:
        """Return the plan of ``source``."""
        settings = PlanSettings(
            price=self.price,
            currency=self.currency,
            renews_on=self.renews_on,
            five_hours_usd=self.limits.five_hours_usd,
            week_usd=self.limits.week_usd,
        )
        return settings.as_plan(source, None)


class PlanOut(Schema):
    """A source that is paid by subscription, and its use of the plan."""

    source: str
    price: float = Field(description="For one billing period, in `currency`.")
    currency: str
    renews_on: int = Field(description="Day of the month; a shorter month renews on its last day.")
    limits: PlanLimits
    since: date = Field(description="First day of this billing period.")
    until: date = Field(description="First day of the next one.")
    value_usd: float | None = Field(
        description=(
            "The value at list prices of this billing period's usage that the plan pays for: its `plan_value_usd`. "
            "Never a cost. Null: no price is known."
        )
    )
    at_least: bool = Field(description="Something inside has no list price or no tokens.")
    fixed: bool = Field(description="The configuration decides.")
    fixed_by: str | None

    @classmethod
    def of(cls, value: PlanValue) -> Self:
        """Return the shape of ``value``."""
        plan = value.plan
        return cls(
            source=plan.source,
            price=usd(plan.price_nano),
            currency=plan.currency,
            renews_on=plan.renews_on,
            limits=PlanLimits(five_hours_usd=usd_or_none(plan.five_hours_nano), week_usd=usd_or_none(plan.week_nano)),
            since=value.stretch.first_day,
            until=value.stretch.end_day,
            value_usd=usd_or_none(value.value_nano),
            at_least=value.is_at_least,
            fixed=plan.fixed_by is not None,
            fixed_by=plan.fixed_by,
        )


class LastCallOut(Schema):
    """The last try since the start."""

    at: int = Field(description="Epoch milliseconds.")
    answer: AnswerName

    @classmethod
    def of(cls, last: LastCall) -> Self:
        """Return the shape of ``last``."""
        return cls.model_validate({"at": last.at, "answer": last.answer.value})


class WebhookOut(Schema):
    """True if a webhook is set. Its secret, and the parts of its address that may be one, are never told."""

    is_set: bool
    address: str | None = Field(description="Scheme, host and port.")
    fixed_by: str | None = Field(description="The setting that decides; null where `aico webhook` does.")
    last: LastCallOut | None

    @model_validator(mode="after")
    def hold_together(self) -> Self:
        """Refuse an address of no webhook."""
        if self.is_set is not (self.address is not None):
            raise ValueError("a webhook that is set has an address")
        return self

    @classmethod
    def of(cls, target: WebhookTarget | None, last: LastCall | None) -> Self:
        """Return the shape of ``target``."""
        return cls(
            is_set=target is not None,
            address=None if target is None else shown_address(target.url),
            fixed_by=None if target is None else target.fixed_by,
            last=None if last is None else LastCallOut.of(last),
        )
