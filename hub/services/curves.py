"""What is paid back to whoever cancels when: a venue's policy as moments of one item; pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hub.models.quotes import CancellationTerms, RefundStep
from hub.models.venues import Venue
from hub.services.rating import Sold


def frozen(items: Sequence[Sold]) -> list[CancellationTerms]:
    """Answer for each item of a basket how cancelling it is dealt with."""
    return [
        CancellationTerms(
            venue_id=item.venue.id,
            item=place,
            steps=steps(item.venue, item.starts_at),
            refund_to=item.venue.terms.refund_to,
            refund_approval_above=item.venue.terms.refund_approval_above,
        )
        for place, item in enumerate(items)
    ]


def steps(venue: Venue, starts_at: datetime) -> list[RefundStep]:
    """Answer until when which share is paid back for what starts then, the earliest moment first."""
    terms = venue.terms
    if terms.non_refundable:
        return []
    curve = [(one.hours_before, one.refund_percent) for one in terms.cancellation_steps]
    if not curve:
        policy = venue.cancellation
        curve = [(policy.free_until_hours, 100), (0, policy.refund_percent_after)]
    found: list[tuple[datetime, int]] = []
    for hours, percent in curve:
        before = starts_at - timedelta(hours=hours)
        if found and (found[-1][1] == percent or found[-1][0] == before):
            # The later moment says it all, or there is no time between the two.
            found[-1] = before, max(percent, found[-1][1])
        else:
            found.append((before, percent))
    return [RefundStep(before=before, percent=percent) for before, percent in found if percent]


def percent_at(terms: CancellationTerms, moment: datetime) -> int:
    """Answer what share is paid back at a moment; nothing after the last step."""
    return next((step.percent for step in terms.steps if moment < step.before), 0)
