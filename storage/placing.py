"""Placing bookings: a batch of baskets in one round trip, all of each or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from storage.event_log import Told
from storage.query import Db


@dataclass(frozen=True, slots=True)
class AskBooking:
    """A basket, judged and priced, ready to be taken; field names are those of place_bookings() in 0009_placing.sql."""

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
    # What the audit keeps beside it: impersonator_id, address, asked, request_id.
    author: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Answer what is said, but not the items and the author, which travel in a list of their own."""
        return {name: said for name, said in zip(_NAMES, _said(self), strict=True) if said is not None}


_NAMES = [one.name for one in fields(AskBooking) if one.name not in ("items", "author")]
_said = attrgetter(*_NAMES)


class Outcome(NamedTuple):
    """What became of a basket, in the words of place_bookings() in 0009_placing.sql; the document is JSON."""

    kind: str
    document: str | None


async def place(db: Db, asks: Sequence[AskBooking]) -> tuple[list[Outcome], list[Told]]:
    """Take each basket whole or not at all, first come first served; answers in order, and what to publish."""
    items = [{"ask": place, **item} for place, ask in enumerate(asks, start=1) for item in ask.items]
    # The authors are said first, in the same round trip: place_bookings() waits for them.
    rows = await db.fetch(
        """
        SELECT p.ask, p.outcome, p.document, p.room, p.version, p.name, p.at, p.data, p.outbox_id
        FROM (SELECT set_config('hub.authors', $3, true) AS authors) AS said
        CROSS JOIN LATERAL place_bookings(CASE WHEN said.authors IS NOT NULL THEN $1::json END, $2::json) AS p
        """,
        orjson.dumps([ask.row() for ask in asks]).decode(),
        orjson.dumps(items).decode(),
        orjson.dumps(_authors(asks)).decode(),
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
        author = authors.setdefault(str(ask.booked_by), dict(ask.author))
        request_id = ask.author.get("request_id", "")
        if request_id not in author.get("request_id", ""):
            author["request_id"] = f"{author['request_id']} {request_id}"
    return authors
