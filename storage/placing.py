"""Placing bookings: a batch of baskets in one round trip, all of each or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from storage import quotes
from storage.event_log import Told
from storage.query import Db
from storage.quotes import Content


@dataclass(frozen=True, slots=True)
class AskBooking:
    """A basket, judged and priced, ready to be taken; field names are those of place_bookings().

    It is written down in 0009_placing.sql, and what it takes of offers, points, student discounts and add-ons in
    0020_placing_with_money.sql. Of an add-on, an item's `quantity` is how many are in use at the same time.
    """

    user_id: int
    booked_by: int
    status: str
    currency: str
    price: int
    items: list[dict[str, Any]] = field(default_factory=list)
    expires_in: float | None = None
    ends_in: float | None = None
    notes: str = ""
    guest_details: dict[str, Any] | None = None
    person_limit: int | None = None
    venue_limit: int | None = None
    repeat_route: str | None = None
    repeat_key: str | None = None
    repeat_hash: str | None = None
    # What is agreed with it.
    quote: Content | None = None
    offer_id: int | None = None
    # Loyalty points it uses.
    points: int = 0
    # By venue that gives a student discount on it: how many student bookings there a person may have this year.
    student_limits: dict[int, int] = field(default_factory=dict)
    # What the audit keeps beside it: impersonator_id, address, asked, request_id.
    author: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Answer what is said, but not the items and the author, which travel in a list of their own."""
        said: dict[str, Any] = {
            "user_id": self.user_id,
            "booked_by": self.booked_by,
            "status": self.status,
            "currency": self.currency,
            "price": self.price,
        }
        if self.expires_in is not None:
            said["expires_in"], said["ends_in"] = self.expires_in, self.ends_in
        if self.notes:
            said["notes"] = self.notes
        if self.guest_details is not None:
            said["guest_details"] = self.guest_details
        if self.person_limit is not None or self.venue_limit is not None:
            said["person_limit"], said["venue_limit"] = self.person_limit, self.venue_limit
        if self.quote is not None:
            said["quote_id"] = self.quote.id
        if self.offer_id is not None:
            said["offer_id"] = self.offer_id
        if self.points:
            said["points"] = self.points
        if self.student_limits:
            said["student_limits"] = {str(venue_id): limit for venue_id, limit in self.student_limits.items()}
        if self.repeat_key is not None:
            said |= {"repeat_route": self.repeat_route, "repeat_key": self.repeat_key, "repeat_hash": self.repeat_hash}
        return said


def wanted_first(ask: AskBooking) -> int:
    """Answer the id of the session, room or type that an ask names first: a number that its rivals share."""
    item = ask.items[0]
    found: int = item.get("session_id") or item.get("room_id") or item.get("room_type_id") or 0
    return found


class Outcome(NamedTuple):
    """What became of a basket, in the words of place_bookings() in 0009_placing.sql; the document is JSON.

    Since 0020_placing_with_money.sql also: offer_over, offer_used_up, too_few_points, no_student_left; and of an add-on
    that has run out, `refused` with the reason sold_out.
    """

    kind: str
    document: str | None


async def place(db: Db, asks: Sequence[AskBooking]) -> tuple[list[Outcome], list[Told]]:
    """Take each basket whole or not at all, first come first served; answers in order, and what to publish."""
    items = [{"ask": place, **item} for place, ask in enumerate(asks, start=1) for item in ask.items]
    # In the same round trip the authors are said first, and the quotes kept last: whoever keeps the same at this moment
    # then waits for nobody who still has to lock what they have locked.
    rows = await db.fetch(
        """
        WITH placed AS MATERIALIZED (
            SELECT p.ask, p.outcome, p.document, p.room, p.version, p.name, p.at, p.data, p.outbox_id
            FROM (SELECT set_config('hub.authors', $3, true) AS authors) AS said
            CROSS JOIN LATERAL place_bookings(CASE WHEN said.authors IS NOT NULL THEN $1::json END, $2::json) AS p
        ), kept AS MATERIALIZED (
            SELECT keep_quotes($4, $5, $6) FROM (SELECT count(*) FROM placed) AS all_placed
        )
        SELECT p.ask, p.outcome, p.document, p.room, p.version, p.name, p.at, p.data, p.outbox_id
        FROM placed AS p CROSS JOIN kept
        """,
        orjson.dumps([ask.row() for ask in asks]).decode(),
        orjson.dumps(items).decode(),
        orjson.dumps(_authors(asks)).decode(),
        *quotes.columns(ask.quote for ask in asks if ask.quote is not None),
    )
    outcomes: dict[int, Outcome] = {}
    documents: dict[int, str] = {}
    told: list[Told] = []
    for ask, outcome, document, room, version, name, at, data, outbox_id in rows:
        if room is None:
            outcomes[ask], documents[ask] = Outcome(outcome, document), document
        else:
            told.append(Told(room, version, name, at, data or documents[ask], outbox_id))
    return [outcomes[number] for number in range(1, len(asks) + 1)], told


def _authors(asks: Sequence[AskBooking]) -> dict[str, dict[str, Any]]:
    """Tell of each who books from where; whoever has two asks in one batch has both their requests named."""
    authors: dict[str, dict[str, Any]] = {}
    for ask in asks:
        who = str(ask.booked_by)
        if who not in authors:
            authors[who] = ask.author
            continue
        request_id, known = ask.author.get("request_id", ""), authors[who].get("request_id", "")
        if request_id not in known:
            authors[who] = authors[who] | {"request_id": f"{known} {request_id}"}
    return authors
