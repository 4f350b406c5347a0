"""Paper: receipts and invoices, issued once for what they tell, numbered without gaps, and links to fetch them by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

from hub.core import Actor, Hub
from hub.errors import NotFound, Unauthenticated, WrongState
from hub.models.bookings import NameBooking
from hub.models.paper import Content, Paper, PaperKind, Papers, TaxShare
from hub.services import access, tickets
from hub.work import Work
from storage import access as ties
from storage import paper as store
from storage.paper import Sheet

Fetched = Literal["receipt", "invoice", "calendar", "code"]
# Long enough to open a file, too short to pass the link on.
LINK_SECONDS = 300
_PATHS: dict[Fetched, str] = {
    "receipt": "receipt.pdf",
    "invoice": "invoice.pdf",
    "calendar": "calendar.ics",
    "code": "code.svg",
}
# What comes to nothing is owed as far as it was paid and not given back.
_COME_TO_NOTHING = ("cancelled", "expired", "no_show")

# One at a time: each takes a processor for a moment.
_drawing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="papers")


async def links(hub: Hub, actor: Actor, ask: NameBooking) -> Papers:
    """Sign links to all that goes with a booking, for the actor alone and for a few minutes."""
    user_id = access.signed_in(actor)
    async with hub.reading() as db:
        await access.see_booking(db, actor, ask.booking_id)
    said = {"booking_id": ask.booking_id, "user_id": user_id, "login_id": actor.login_id}
    address = f"/api/v1/bookings/{ask.booking_id}"
    signed = {
        kind: f"{address}/{path}?ticket={tickets.issue(hub, f'paper: {kind}', said, LINK_SECONDS)}"
        for kind, path in _PATHS.items()
    }
    return Papers(**signed, expires_at=hub.clock.now() + timedelta(seconds=LINK_SECONDS))


async def bearer(hub: Hub, ticket: str, kind: Fetched, booking_id: int) -> Actor:
    """Answer who fetches by a link, with the rights they have now; not after they have logged out."""
    said = tickets.read(hub, f"paper: {kind}", ticket)
    if said is None or said["booking_id"] != booking_id or said["login_id"] is None:
        raise Unauthenticated("This link was good for a few minutes only; go back and follow it again.")
    standing = await hub.standings.ask((said["user_id"], UUID(said["login_id"])))
    if standing is None or standing.status != "active" or not standing.login_is_live:
        raise Unauthenticated()
    return Actor(
        user_id=said["user_id"],
        roles=standing.roles,
        permissions=standing.permissions,
        rank=standing.rank,
        login_id=said["login_id"],
    )


async def printed(hub: Hub, actor: Actor, ask: NameBooking, kind: PaperKind) -> bytes:
    """Print a booking's receipt or invoice as a PDF, a page for each venue; a desk gets its own venue's."""
    async with hub.work(actor) as work:
        only_venue = await access.see_booking(work.db, actor, ask.booking_id)
        venue_ids = [only_venue] if only_venue else await ties.venues_of_booking(work.db, ask.booking_id)
        papers = await issue(work, ask.booking_id, venue_ids, kind)
    return await asyncio.get_running_loop().run_in_executor(_drawing, _drawn, hub.settings.data, papers)


def _drawn(data: Path, papers: Sequence[Paper]) -> bytes:
    # Half a second and 24 MB, which a worker that draws nothing does without.
    from hub.services import paper_sheets

    return paper_sheets.drawn(data, papers)


async def issue(work: Work, booking_id: int, venue_ids: Sequence[int], kind: PaperKind) -> list[Paper]:
    """Issue a paper for each venue that has something to tell; what was issued and still holds is not issued again."""
    issued = []
    for venue_id in sorted(venue_ids):
        sheet = await store.sheet(work.db, booking_id, venue_id)
        if sheet is not None and _is_due(sheet, kind):
            issued.append(await _current(work, booking_id, venue_id, kind, sheet))
    if not issued:
        raise WrongState(
            "Nothing was paid for this booking; there is a receipt once something was."
            if kind == "receipt"
            else "There is an invoice once the booking is made, and as long as something is owed for it."
        )
    return issued


async def _current(work: Work, booking_id: int, venue_id: int, kind: PaperKind, sheet: Sheet) -> Paper:
    known = await store.newest(work.db, booking_id, venue_id, kind)
    if known is not None and _tells(known.content, kind) == _tells(_content(sheet, kind), kind):
        return known
    # From here on nobody else numbers; what they have issued or posted until now is seen.
    await store.lock_numbers(work.db, venue_id, kind)
    known = await store.newest(work.db, booking_id, venue_id, kind)
    fresh = await store.sheet(work.db, booking_id, venue_id)
    if fresh is None:
        raise NotFound()
    content = _content(fresh, kind)
    if known is None or _tells(known.content, kind) != _tells(content, kind):
        replaces = None if known is None else known.number
        await store.issue(work.db, booking_id, venue_id, kind, replaces, fresh.guest, content)
        known = await store.newest(work.db, booking_id, venue_id, kind)
        assert known is not None
    return known


def _is_due(sheet: Sheet, kind: PaperKind) -> bool:
    if kind == "receipt":
        return any(flow.amount > 0 for flow in sheet.flows)
    return bool(sheet.flows) if sheet.status in _COME_TO_NOTHING else sheet.status != "held"


def _content(sheet: Sheet, kind: PaperKind) -> Content:
    content = Content(
        seller=sheet.seller,
        language=sheet.language,
        reference=sheet.reference,
        currency=sheet.currency,
        items=sheet.items,
        flows=sheet.flows if kind == "receipt" else [],
    )
    if kind == "receipt":
        return content
    paid = sum(flow.amount for flow in sheet.flows)
    waived = max(content.total - paid, 0) if sheet.status in _COME_TO_NOTHING else 0
    content = content.model_copy(update={"waived": waived, "bonus": sheet.bonus if not waived else []})
    return content.model_copy(update={"taxes": _taxes(sheet, content.total)})


def _taxes(sheet: Sheet, total: int) -> list[TaxShare]:
    """Share the quote's taxes out over what is owed now: as much of each as of the whole, rounded half up."""
    if sheet.quoted <= 0:
        return []
    shares = [(tax.name, (2 * tax.amount * total + sheet.quoted) // (2 * sheet.quoted)) for tax in sheet.taxes]
    return [TaxShare(name=name, amount=amount) for name, amount in shares if amount]


def _tells(content: Content, kind: PaperKind) -> object:
    """Name what makes another paper necessary when it changes; a new address of the venue does not."""
    if kind == "receipt":
        return content.currency, content.flows
    return content.currency, content.items, content.waived, content.bonus
