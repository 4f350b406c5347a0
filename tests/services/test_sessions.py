from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from hub.core import GUEST
from hub.errors import Conflict, Forbidden, HasBookings, Invalid, NotAvailable, NotFound, NotOffered, Unauthenticated
from hub.models.bookings import NameBooking
from hub.models.rooms import ChangeRoom
from hub.models.sessions import CancelSession, ChangeSession, CreateSession, ListSessions, NameSession, Session
from hub.models.venues import ListVenues, NameVenue
from hub.services import bookings, rooms, sessions, venues
from tests.builders import (
    make_actor,
    make_booking,
    make_closure,
    make_hold,
    make_room,
    make_room_type,
    make_session,
    make_staff,
    make_venue,
    place,
    slot,
    tomorrow,
)
from tests.doors import ListeningHub


async def places(hub: ListeningHub, session: Session) -> tuple[int, int, int]:
    async with hub.pool.acquire() as db:
        row = await db.fetchrow("SELECT total, taken, held FROM session_places WHERE session_id = $1", session.id)
    assert row is not None
    return tuple(row)


async def busy(hub: ListeningHub, session: Session) -> list[tuple[int, datetime, datetime]]:
    async with hub.pool.acquire() as db:
        rows = await db.fetch(
            "SELECT room_id, lower(busy) AS begin, upper(busy) AS end FROM claims WHERE session_id = $1", session.id
        )
    return [tuple(row) for row in rows]


def changes(hub: ListeningHub) -> list[dict[str, Any]]:
    told = [orjson.loads(one.data)["changes"] for one in hub.told if one.name == "availability.changed"]
    return [change for several in told for change in several]


async def test_a_session_without_a_venue_takes_place_in_a_studio_of_ones_own(hub: ListeningHub) -> None:
    ana = await make_actor(hub, "facilitator", full_name="Ana Reis", currency="EUR")
    first = await make_session(hub, ana)
    studio = await venues.read(hub, GUEST, NameVenue(venue_id=first.venue_id))
    assert (studio.kind, studio.name, studio.timezone, studio.currency) == ("studio", "Ana Reis's studio", "UTC", "EUR")
    assert studio.owner_id == ana.user_id
    assert (first.facilitator_id, first.facilitator_name) == (ana.user_id, "Ana Reis")
    assert hub.names() == ["venue.created", "session.created", "availability.changed"]
    assert await places(hub, first) == (10, 0, 0)

    second = await make_session(hub, ana, starts_at=tomorrow(15))
    assert second.venue_id == first.venue_id
    tokyo = await make_session(hub, ana, starts_at=tomorrow(15), timezone="Asia/Tokyo")
    assert (tokyo.timezone, tokyo.venue_id != first.venue_id) == ("Asia/Tokyo", True)
    again = await make_session(hub, ana, starts_at=tomorrow(18), timezone="Asia/Tokyo")
    assert again.venue_id == tokyo.venue_id
    assert (await venues.listed(hub, ana, ListVenues(mine=True))).meta.total_items == 2


async def test_a_session_at_a_venue_uses_its_zone_and_currency(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, timezone="Asia/Kathmandu", currency="NPR")
    ask = CreateSession.model_validate(
        {"venue_id": venue.id, "title": "Dawn", "starts_at": "2027-03-01T06:00", "ends_at": "2027-03-01T07:00:00"}
    )
    session = await sessions.create(hub, owner, ask)
    assert session.starts_at == datetime(2027, 3, 1, 0, 15, tzinfo=UTC)
    assert (session.timezone, session.currency, session.capacity) == ("Asia/Kathmandu", "NPR", 1)
    assert session == await sessions.read(hub, GUEST, NameSession(session_id=session.id))
    with pytest.raises(Invalid):
        await make_session(hub, owner, venue, timezone="UTC")


async def test_a_time_that_the_venues_clock_skips_is_refused(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner, timezone="Europe/Lisbon")
    ask = {"venue_id": venue.id, "title": "Never", "starts_at": "2027-03-28T01:30", "ends_at": "2027-03-28T03:00"}
    with pytest.raises(Invalid) as refused:
        await sessions.create(hub, owner, CreateSession.model_validate(ask))
    assert refused.value.details["errors"][0]["field"] == "starts_at"


async def test_who_may_plan_a_session_where(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    teacher = await make_staff(hub, venue, "desk", person="facilitator")
    admin = await make_actor(hub, "admin")
    for actor in [owner, teacher, admin]:
        assert (await make_session(hub, actor, venue)).facilitator_id == actor.user_id
    assert (await make_session(hub, owner, venue, facilitator_id=teacher.user_id)).facilitator_id == teacher.user_id
    for actor, refusal in [
        (await make_actor(hub, "facilitator"), NotFound),
        (await make_staff(hub, venue, "desk"), Forbidden),
        (await make_actor(hub, "customer"), Forbidden),
        (GUEST, Unauthenticated),
    ]:
        with pytest.raises(refusal):
            await make_session(hub, actor, venue)
    with pytest.raises(Forbidden):
        await make_session(hub, await make_actor(hub, "customer"))
    with pytest.raises(Invalid) as refused:
        await make_session(hub, owner, venue, facilitator_id=(await make_actor(hub, "facilitator")).user_id)
    assert refused.value.details["errors"][0]["field"] == "facilitator_id"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"starts_at": datetime(2020, 1, 1, tzinfo=UTC)}, "starts_at"),
        ({"ends_at": tomorrow(11)}, "ends_at"),
        ({"ends_at": tomorrow(12)}, "ends_at"),
        ({"ends_at": tomorrow(12, days=400)}, "ends_at"),
        ({"room_id": 9}, "room_id"),
        ({"facilitator_id": 99}, "facilitator_id"),
    ],
)
async def test_a_session_that_cannot_be_is_refused_by_its_field(
    hub: ListeningHub, fields: dict[str, Any], field: str
) -> None:
    owner = await make_actor(hub, "vendor")
    with pytest.raises(Invalid) as refused:
        await make_session(hub, owner, await make_venue(hub, owner), **fields)
    assert refused.value.details["errors"][0]["field"] == field
    assert (await sessions.listed(hub, owner, ListSessions())).meta.total_items == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starts_at", 1800000000),
        ("starts_at", "tomorrow"),
        ("starts_at", "9999-01-01T00:00:00Z"),
        ("capacity", 0),
        ("price", -1),
        ("kind", "party"),
        ("language", "english!"),
        ("title", ""),
        ("timezone", "Moon"),
        ("status", "cancelled"),
    ],
)
def test_what_a_session_cannot_have_is_refused_by_its_field(field: str, value: Any) -> None:
    asked = {"title": "Flow", "starts_at": "2027-01-01T09:00:00Z", "ends_at": "2027-01-01T10:00:00Z"}
    with pytest.raises(ValidationError) as refused:
        CreateSession.model_validate(asked | {field: value})
    assert refused.value.errors()[0]["loc"][0] == field


async def test_a_session_takes_its_room_with_the_venues_buffers(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner, buffer_before_minutes=15, buffer_after_minutes=30)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    session = await make_session(hub, owner, venue, room_id=room.id)
    assert await busy(hub, session) == [(room.id, tomorrow(11, 45), tomorrow(13, 30))]
    assert [change["state"] for change in changes(hub) if change["kind"] == "room"] == ["taken"]
    with pytest.raises(NotAvailable):
        await make_booking(hub, customer, slot(room, tomorrow(13)))
    with pytest.raises(NotAvailable) as refused:
        await make_session(hub, owner, venue, room_id=room.id, starts_at=tomorrow(13))
    assert refused.value.details["reasons"][0]["reason"] == "taken"
    assert (await sessions.listed(hub, owner, ListSessions())).meta.total_items == 1
    await make_session(hub, owner, venue, room_id=room.id, starts_at=tomorrow(14))


async def test_a_room_that_somebody_holds_is_refused_with_the_time_it_may_come_back(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    hold = await make_hold(hub, customer, slot(room, tomorrow()))
    with pytest.raises(NotAvailable) as refused:
        await make_session(hub, owner, venue, room_id=room.id)
    reason = refused.value.details["reasons"][0]
    assert (reason["reason"], reason["held_until"]) == ("held", hold.expires_at)


async def test_a_taken_room_is_refused_with_other_rooms_and_times_that_can_be_had(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    room, other = await make_room(hub, owner, room_type, "1"), await make_room(hub, owner, room_type, "2")
    planned = await make_session(hub, owner, venue, room_id=room.id)
    with pytest.raises(NotAvailable) as refused:
        await make_session(hub, owner, venue, room_id=room.id)
    elsewhere, *later = [one["item"] for one in refused.value.details["alternatives"]]
    assert elsewhere["room_id"] == other.id
    assert later
    for item in [elsewhere, *later]:
        moved = ChangeSession.model_validate(
            {"session_id": planned.id} | {name: item[name] for name in ("room_id", "starts_at", "ends_at")}
        )
        assert (await sessions.change(hub, owner, moved)).room_id == item["room_id"]


async def test_only_a_room_sold_by_its_number_and_in_order_takes_a_session(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue, other = await make_venue(hub, owner), await make_venue(hub, owner)
    halls = await make_room_type(hub, owner, venue)
    broken = await make_room(hub, owner, halls, "1", status="maintenance")
    elsewhere = await make_room(hub, owner, await make_room_type(hub, owner, other))
    pool = await make_room_type(hub, owner, venue, total_rooms=1)
    pooled = await make_room(hub, owner, pool, "7")
    session = await make_session(hub, owner, venue)
    for room in [broken, elsewhere, pooled]:
        with pytest.raises(Invalid) as refused:
            await make_session(hub, owner, venue, room_id=room.id)
        assert refused.value.details["errors"][0]["field"] == "room_id"
        with pytest.raises(Invalid):
            await sessions.change(hub, owner, ChangeSession(session_id=session.id, room_id=room.id))


async def test_a_moved_session_takes_its_new_time_and_leaves_the_old(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room_type = await make_room_type(hub, owner, venue)
    room, other = await make_room(hub, owner, room_type, "1"), await make_room(hub, owner, room_type, "2")
    session = await make_session(hub, owner, venue, room_id=room.id)
    hub.told.clear()
    later = ChangeSession(session_id=session.id, starts_at=tomorrow(12, 30), ends_at=tomorrow(13, 30))
    changed = await sessions.change(hub, owner, later)
    assert await busy(hub, changed) == [(room.id, tomorrow(12, 30), tomorrow(13, 30))]
    states = {(one["starts_at"][11:16], one["state"]) for one in changes(hub) if one["kind"] == "room"}
    assert states == {("12:00", "free"), ("12:30", "taken")}

    changed = await sessions.change(hub, owner, ChangeSession(session_id=session.id, room_id=other.id))
    assert await busy(hub, changed) == [(other.id, tomorrow(12, 30), tomorrow(13, 30))]
    await make_booking(hub, customer, slot(room, tomorrow(12, 30)))
    with pytest.raises(NotAvailable):
        await sessions.change(hub, owner, ChangeSession(session_id=session.id, room_id=room.id))
    assert await busy(hub, changed) == [(other.id, tomorrow(12, 30), tomorrow(13, 30))]
    assert changed == await sessions.read(hub, owner, NameSession(session_id=session.id))

    changed = await sessions.change(hub, owner, ChangeSession(session_id=session.id, room_id=None))
    assert (changed.room_id, await busy(hub, changed)) == (None, [])


async def test_those_who_booked_move_with_their_session(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    session = await make_session(hub, owner, await make_venue(hub, owner))
    booking = await make_booking(hub, customer, place(session, 2))
    hold = await make_hold(hub, customer, place(session))
    await make_session(hub, owner, starts_at=tomorrow(20))
    hub.told.clear()
    ask = ChangeSession(session_id=session.id, starts_at=tomorrow(18), ends_at=tomorrow(19))
    await sessions.change(hub, owner, ask)
    for one in [booking, hold]:
        moved = await bookings.read(hub, customer, NameBooking(booking_id=one.id))
        assert (moved.items[0].starts_at, moved.items[0].ends_at) == (tomorrow(18), tomorrow(19))
        assert moved.status == one.status
        history = await bookings.history(hub, customer, NameBooking(booking_id=one.id))
        assert [entry.before[0]["starts_at"][:13] for entry in history] == [tomorrow(12).isoformat()[:13]]
        assert [entry.after[0]["starts_at"][:13] for entry in history] == [tomorrow(18).isoformat()[:13]]
    assert sorted(hub.names(f"user:{customer.user_id}")) == ["booking.rescheduled"] * 2
    assert await places(hub, session) == (10, 3, 1)
    hub.told.clear()
    await sessions.change(hub, owner, ChangeSession(session_id=session.id, title="Evening flow", price=1))
    assert hub.names() == ["session.changed", "availability.changed"]


async def test_a_session_never_has_fewer_places_than_are_taken(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    session = await make_session(hub, owner)
    booking = await make_booking(hub, customer, place(session, 4))
    hold = await make_hold(hub, customer, place(session, 2))
    with pytest.raises(HasBookings) as refused:
        await sessions.change(hub, owner, ChangeSession(session_id=session.id, capacity=5))
    assert {one["id"] for one in refused.value.details["bookings"]} == {booking.id, hold.id}
    assert await places(hub, session) == (10, 6, 2)
    changed = await sessions.change(hub, owner, ChangeSession(session_id=session.id, capacity=6))
    assert (changed.capacity, await places(hub, session)) == (6, (6, 6, 2))
    assert [(one["total"], one["free"]) for one in changes(hub)][-1] == (6, 0)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE bookings SET expires_at = now() - interval '1 second' WHERE id = $1", hold.id)
        await db.execute("UPDATE claims SET expires_at = now() - interval '1 second' WHERE booking_id = $1", hold.id)
    await sessions.change(hub, owner, ChangeSession(session_id=session.id, capacity=4))
    assert await places(hub, session) == (4, 4, 0)
    await sessions.change(hub, owner, ChangeSession(session_id=session.id, capacity=100))
    assert await places(hub, session) == (100, 4, 0)


async def test_a_change_of_nothing_changes_nothing(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    session = await make_session(hub, owner, location="Room 1")
    hub.told.clear()
    same = ChangeSession(session_id=session.id, starts_at=session.starts_at, capacity=10, location="Room 1")
    assert await sessions.change(hub, owner, same) == session
    assert hub.told == []


async def test_a_session_that_has_begun_keeps_its_start(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    session = await make_session(hub, owner)
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE sessions SET starts_at = now() - interval '1 hour' WHERE id = $1", session.id)
    longer = ChangeSession(session_id=session.id, ends_at=tomorrow(14))
    assert (await sessions.change(hub, owner, longer)).ends_at == tomorrow(14)
    with pytest.raises(Invalid):
        await sessions.change(
            hub, owner, ChangeSession(session_id=session.id, starts_at=datetime.now(UTC) - timedelta(minutes=5))
        )


async def test_a_session_is_changed_by_who_leads_it_or_manages_the_venue(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    leader = await make_staff(hub, venue, "desk", person="facilitator")
    session = await make_session(hub, leader, venue)
    for actor in [leader, owner, await make_staff(hub, venue, "manager"), await make_actor(hub, "admin")]:
        await sessions.change(hub, actor, ChangeSession(session_id=session.id, price=actor.user_id))
    colleague = await make_staff(hub, venue, "desk", person="facilitator")
    stranger = await make_actor(hub, "facilitator")
    async with hub.pool.acquire() as db:
        await db.execute("DELETE FROM venue_staff WHERE user_id = $1", leader.user_id)
    for actor, refusal in [(colleague, Forbidden), (stranger, NotFound), (leader, NotFound), (GUEST, Unauthenticated)]:
        for refused in [
            sessions.change(hub, actor, ChangeSession(session_id=session.id, price=1)),
            sessions.cancel(hub, actor, CancelSession(session_id=session.id)),
            sessions.delete(hub, actor, NameSession(session_id=session.id)),
        ]:
            with pytest.raises(refusal):
                await refused


async def test_cancelling_a_session_cancels_every_live_booking_of_its_places(hub: ListeningHub) -> None:
    owner, ana, bruno = await make_actor(hub, "vendor"), await make_actor(hub), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    session = await make_session(hub, owner, venue, room_id=room.id)
    booking = await make_booking(hub, ana, place(session, 2), slot(room, tomorrow(15)))
    hold = await make_hold(hub, bruno, place(session))
    hub.told.clear()
    cancelled = await sessions.cancel(hub, owner, CancelSession(session_id=session.id, reason="The leader is ill."))
    assert cancelled.status == "cancelled"
    assert "reason" not in cancelled.model_dump_json()
    for one, actor in [(booking, ana), (hold, bruno)]:
        found = await bookings.read(hub, actor, NameBooking(booking_id=one.id))
        assert (found.status, found.cancel_reason, found.cancel_reason_code) == (
            "cancelled",
            "The leader is ill.",
            "venue",
        )
    assert hub.names(f"user:{ana.user_id}") == hub.names(f"user:{bruno.user_id}") == ["booking.cancelled"]
    assert hub.names(f"desk:{venue.id}") == ["booking.cancelled"] * 2
    assert "session.cancelled" in hub.names(f"venue:{venue.id}")
    assert {one["state"] for one in changes(hub) if one["kind"] == "room"} == {"free"}
    assert (await places(hub, session), await busy(hub, session)) == ((0, 0, 0), [])

    told = len(hub.told)
    assert await sessions.cancel(hub, owner, CancelSession(session_id=session.id)) == cancelled
    assert len(hub.told) == told
    with pytest.raises(NotOffered):
        await make_booking(hub, ana, place(session))
    with pytest.raises(Conflict):
        await sessions.change(hub, owner, ChangeSession(session_id=session.id, price=1))
    await make_booking(hub, ana, slot(room, tomorrow()))


async def test_a_session_that_is_booked_is_not_deleted(hub: ListeningHub) -> None:
    owner, customer = await make_actor(hub, "vendor"), await make_actor(hub)
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    session = await make_session(hub, owner, venue, room_id=room.id)
    booking = await make_booking(hub, customer, place(session))
    with pytest.raises(HasBookings) as refused:
        await sessions.delete(hub, owner, NameSession(session_id=session.id))
    assert [one["id"] for one in refused.value.details["bookings"]] == [booking.id]
    await sessions.cancel(hub, owner, CancelSession(session_id=session.id))
    await sessions.delete(hub, owner, NameSession(session_id=session.id))
    for gone in [
        sessions.read(hub, owner, NameSession(session_id=session.id)),
        sessions.delete(hub, owner, NameSession(session_id=session.id)),
        make_booking(hub, customer, place(session)),
    ]:
        with pytest.raises(NotFound):
            await gone


async def test_a_deleted_session_leaves_its_room(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    session = await make_session(hub, owner, venue, room_id=room.id)
    hub.told.clear()
    await sessions.delete(hub, owner, NameSession(session_id=session.id))
    assert hub.names() == ["session.deleted", "availability.changed"]
    assert [one["state"] for one in changes(hub)] == ["free"]
    assert (await make_session(hub, owner, venue, room_id=room.id)).room_id == room.id


async def test_no_session_is_planned_while_the_whole_venue_is_closed(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    await make_closure(hub, owner, venue)
    for room_id in [None, room.id]:
        with pytest.raises(NotAvailable) as refused:
            await make_session(hub, owner, venue, room_id=room_id)
        assert refused.value.details["reasons"][0]["reason"] == "closed"
    session = await make_session(hub, owner, venue, starts_at=tomorrow(days=3))
    with pytest.raises(NotAvailable):
        await sessions.change(
            hub, owner, ChangeSession(session_id=session.id, starts_at=tomorrow(), ends_at=tomorrow(13))
        )


async def test_a_room_under_repair_keeps_the_session_planned_in_it(hub: ListeningHub) -> None:
    owner = await make_actor(hub, "vendor")
    venue = await make_venue(hub, owner)
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    session = await make_session(hub, owner, venue, room_id=room.id)
    await rooms.change(hub, owner, ChangeRoom(room_id=room.id, status="maintenance"))
    changed = await sessions.change(hub, owner, ChangeSession(session_id=session.id, title="Quiet flow"))
    assert changed.room_id == room.id


async def test_sessions_are_found_by_what_they_are_when_and_where(hub: ListeningHub) -> None:
    ana = await make_actor(hub, "facilitator", full_name="Ana Reis")
    owner = await make_actor(hub, "vendor", full_name="Vera Lopes")
    venue = await make_venue(hub, owner, city="Porto", timezone="Asia/Tokyo")
    room = await make_room(hub, owner, await make_room_type(hub, owner, venue))
    await make_session(hub, ana, title="Morning flow", price=1000, language="pt", location="Lisbon, by the sea")
    await make_session(
        hub, owner, venue, title="City tour", kind="tour", price=0, starts_at=tomorrow(days=3), room_id=room.id
    )
    gone = await make_session(hub, ana, title="Old", starts_at=tomorrow(days=2))
    await sessions.cancel(hub, ana, CancelSession(session_id=gone.id))

    async def titles(actor: Any = GUEST, **filters: Any) -> list[str]:
        return [one.title for one in (await sessions.listed(hub, actor, ListSessions(**filters))).items]

    for filters, expected in [
        ({}, ["Morning flow", "Old", "City tour"]),
        ({"sort": "-starts_at"}, ["City tour", "Old", "Morning flow"]),
        ({"sort": "price", "status": "active"}, ["City tour", "Morning flow"]),
        ({"sort": "newest"}, ["Old", "City tour", "Morning flow"]),
        ({"status": "cancelled"}, ["Old"]),
        ({"kind": "tour"}, ["City tour"]),
        ({"venue_id": venue.id}, ["City tour"]),
        ({"room_id": room.id}, ["City tour"]),
        ({"facilitator_id": ana.user_id}, ["Morning flow", "Old"]),
        ({"q": "vera"}, ["City tour"]),
        ({"q": "FLOW"}, ["Morning flow"]),
        ({"place": "port"}, ["City tour"]),
        ({"place": "lisbon"}, ["Morning flow"]),
        ({"language": "pt"}, ["Morning flow"]),
        ({"from": tomorrow(days=2).isoformat(), "to": tomorrow(days=3).isoformat()}, ["Old"]),
        ({"min_price": 1, "max_price": 1000}, ["Morning flow"]),
        ({"venue_id": venue.id, "to": tomorrow(21, days=3).strftime("%Y-%m-%dT%H:%M")}, []),
        ({"venue_id": venue.id, "to": tomorrow(21, 1, days=3).strftime("%Y-%m-%dT%H:%M")}, ["City tour"]),
    ]:
        assert await titles(**filters) == expected, filters
    assert await titles(ana, mine=True, status="active") == ["Morning flow"]
    with pytest.raises(Unauthenticated):
        await titles(mine=True)
    with pytest.raises(NotFound):
        await titles(venue_id=99)
