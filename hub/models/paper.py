"""Paper: receipts and invoices as they were issued, and where to fetch what goes with a booking."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from hub.models.base import Ask, CurrencyCode, Thing

PaperKind = Literal["receipt", "invoice"]
PAPERS: tuple[PaperKind, ...] = ("receipt", "invoice")
Ticket = Annotated[str, Field(min_length=1, max_length=4096)]


class AskPaper(Ask):
    """How a download is asked for by a link."""

    ticket: Ticket | None = Field(default=None, description="In place of an access token.")


class Papers(Thing):
    """Links to what goes with a booking, for a browser that cannot send an access token; each works for whom it is."""

    receipt: str
    invoice: str
    calendar: str
    code: str
    expires_at: datetime = Field(description="None of the links works any longer than this.")


class Seller(Thing):
    """The venue that issues a paper, as it was at that time."""

    name: str
    address: str
    phone: str | None
    email: str | None
    timezone: str


class Sold(Thing):
    """One item of a booking as papers name it."""

    title: str
    kind: Literal["stay", "slot", "place", "addon", "fee"]
    starts_at: datetime
    ends_at: datetime
    check_in: date | None
    check_out: date | None
    quantity: int
    price: int


class TaxShare(Thing):
    """A tax contained in a total."""

    name: str
    amount: int


class Flow(Thing):
    """Money that came in for a booking, or went back; minor units, below zero where it went back."""

    at: datetime
    kind: str
    gateway: str | None
    amount: int


class Content(Thing):
    """What a paper tells, beside its number and its guest."""

    seller: Seller
    language: str
    reference: str
    currency: CurrencyCode
    items: list[Sold]
    # What of the items' price is not owed any more, because the booking has come to nothing.
    waived: int = 0
    taxes: list[TaxShare] = Field(default_factory=list)
    # Services that are free with the plan by which it is paid.
    bonus: list[str] = Field(default_factory=list)
    flows: list[Flow] = Field(default_factory=list)

    @property
    def total(self) -> int:
        """Answer what is owed in the end; minor units."""
        return sum(item.price for item in self.items) - self.waived

    @property
    def received(self) -> int:
        """Answer what came in and was not given back; minor units."""
        return sum(flow.amount for flow in self.flows)


class Paper(Thing):
    """A receipt or invoice of one venue, as it was issued."""

    venue_id: int
    kind: PaperKind
    number: int
    booking_id: int
    replaces: int | None
    guest: str
    content: Content
    issued_at: datetime

    @property
    def name(self) -> str:
        """Answer the number as it is printed: unique in the hub, and without gaps for each venue and kind."""
        return _name(self.venue_id, self.kind, self.number)

    @property
    def replaced_name(self) -> str | None:
        """Answer the number of the paper that this one takes the place of."""
        return None if self.replaces is None else _name(self.venue_id, self.kind, self.replaces)


def _name(venue_id: int, kind: PaperKind, number: int) -> str:
    return f"{'R' if kind == 'receipt' else 'I'}-{venue_id}-{number:06}"
