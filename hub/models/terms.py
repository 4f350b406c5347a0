"""A venue's terms: how it deals with money."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.models.base import Ask, Line, Price

Plan = Literal["full", "deposit", "milestone"]
RefundTarget = Literal["original", "wallet"]
Percent = Annotated[int, Field(ge=0, le=100)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000, description="Hundredths of a percent: 1000 is ten percent.")]


class Tax(Ask):
    """A tax on all that the venue sells."""

    name: Line = "Tax"
    basis_points: BasisPoints
    inclusive: bool = Field(default=False, description="Whether the venue's prices already contain it.")


class CancellationStep(Ask):
    """What is paid back to whoever cancels at least so long before the start."""

    hours_before: int = Field(ge=0, le=8760)
    refund_percent: Percent


class Terms(Ask):
    """How a venue deals with money: taxes, payment plans, cancellation, refunds, discounts."""

    taxes: list[Tax] = Field(default_factory=list, max_length=5)
    plans: list[Plan] = Field(
        default=["full"], min_length=1, max_length=3, description="Which plans a guest may choose."
    )
    deposit_percent: int = Field(default=60, ge=50, le=70)
    balance_days: int = Field(
        default=7, ge=0, le=365, description="Days before the start when a deposit's rest is due."
    )
    full_discount_percent: Percent = Field(
        default=5, description="Off for whoever pays all at once where another plan could be chosen too."
    )
    full_bonus: list[Line] = Field(default_factory=list, max_length=10, description="Services free with full payment.")
    missed: Literal["tell", "cancel"] = Field(default="tell", description="What happens when an instalment is missed.")
    grace_hours: int = Field(default=48, ge=0, le=720, description="An instalment is missed so long after it was due.")
    remind_days: int = Field(default=3, ge=0, le=60, description="Days before an instalment is due to remind of it.")
    cancellation_steps: list[CancellationStep] = Field(
        default_factory=list, max_length=10, description="Instead of the two steps that `cancellation` names."
    )
    non_refundable: bool = False
    refund_to: RefundTarget = "original"
    refund_approval_above: Price | None = Field(
        default=None, description="Refunds above this wait for approval, in minor units; without it none does."
    )
    student_percent: Percent = 0
    student_bookings_a_year: int = Field(default=2, ge=0, le=365)
    points_basis_points: BasisPoints = Field(default=0, description="Loyalty points earned for each minor unit paid.")
    point_value: Price = Field(default=0, description="Minor units that one point is worth here; 0: none are taken.")
    release_hours: int = Field(default=24, ge=0, le=8760, description="Escrow is paid out so long after the end.")

    @model_validator(mode="after")
    def _fits_together(self) -> Terms:
        if len(set(self.plans)) != len(self.plans):
            raise ValueError("name each plan once")
        hours = [step.hours_before for step in self.cancellation_steps]
        percents = [step.refund_percent for step in self.cancellation_steps]
        if hours != sorted(set(hours), reverse=True) or percents != sorted(percents, reverse=True):
            raise ValueError(
                "cancellation_steps must be in order: the longest before the start first, paying back most"
            )
        return self
