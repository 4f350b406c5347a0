"""Money for papers to tell of, and papers read as a reader sees them."""

from __future__ import annotations

from collections.abc import Sequence

import pypdfium2
from PIL import Image

from hub.core import THE_HUB, Hub
from hub.models.bookings import Booking
from hub.models.folio import RecordCash
from hub.services import folio
from storage import ledger
from storage.ledger import Entry


async def pay(hub: Hub, booking: Booking, amount: int | None = None) -> None:
    """Have so much paid in cash at the desk of a booking's first venue, all of it if nothing is named."""
    ask = RecordCash(booking_id=booking.id, amount=amount or booking.price, venue_id=booking.items[0].venue_id)
    await folio.record_cash(hub, THE_HUB, ask)


async def give_back(hub: Hub, booking: Booking, amount: int) -> None:
    """Post that so much was given back."""
    venue_id = booking.items[0].venue_id
    entries = [
        Entry("escrow", -amount, venue_id=venue_id, booking_id=booking.id),
        Entry("cash", amount, venue_id=venue_id),
    ]
    async with hub.pool.acquire() as db, db.transaction():
        await ledger.post(db, "refund", booking.currency, entries, booking_id=booking.id)


def pages(file: bytes) -> Sequence[str]:
    """Read the text of each page, with single spaces."""
    with pypdfium2.PdfDocument(file) as document:
        return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]


def picture(file: bytes, page: int = 0, scale: float = 2) -> Image.Image:
    """Draw a page as its readers see it."""
    with pypdfium2.PdfDocument(file) as document:
        drawn: Image.Image = document[page].render(scale=scale).to_pil()
        return drawn
