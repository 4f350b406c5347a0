"""The checks of the races are checked: each finds the fault it is there for, and none finds one where all is well."""

from __future__ import annotations

from hub.models.bookings import MakeBooking
from hub.models.sessions import CreateSession
from hub.services import placing, sessions
from storage.pool import as_owner
from tests.doors import ListeningHub
from tests.money import planted
from tests.money.coming_in import paid
from tests.races import guards, stage
from tests.races.checking import CHECKS, faults, faults_seen

PLANTED = planted.PLANTED | {
    "a room is claimed twice for one time": """
        INSERT INTO claims (booking_id, item_id, room_id, busy)
        SELECT booking_id, item_id, room_id, busy FROM claims WHERE room_id IS NOT NULL AND booking_id IS NOT NULL
    """,
    "two live bookings have one room at one time": """
        WITH other AS (
            INSERT INTO bookings (user_id, booked_by, status, currency, price) VALUES (1, 1, 'confirmed', 'EUR', 1)
            RETURNING id
        )
        INSERT INTO booking_items (booking_id, position, kind, venue_id, room_type_id, room_id, title, starts_at,
                                   ends_at, busy, unit_price, price, currency)
        SELECT other.id, 1, 'slot', i.venue_id, i.room_type_id, i.room_id, '', i.starts_at, i.ends_at, i.busy, 1, 1,
               'EUR'
        FROM booking_items AS i, other WHERE i.kind = 'slot'
    """,
    "more claims on a night than there are rooms": "UPDATE claims SET quantity = 4 WHERE room_type_id IS NOT NULL",
    "more rooms booked on a night than there are": "UPDATE booking_items SET quantity = 4 WHERE kind = 'stay'",
    "more claims on a session than it has places": "UPDATE claims SET quantity = 6 WHERE place_session_id IS NOT NULL",
    "more places booked in a session than it has": "UPDATE booking_items SET quantity = 6 WHERE kind = 'place'",
    "a night's counter is not the sum of its claims": "UPDATE pool_nights SET taken = taken + 1",
    "a session's counter is not the sum of its claims": "DELETE FROM session_places WHERE taken > 0",
    "a counter's size is not the size of what it counts": "UPDATE pool_nights SET total = total + 1",
    "a live booking lacks a claim": "DELETE FROM claims WHERE night = (SELECT min(night) FROM claims)",
    "a claim has no live owner": "UPDATE bookings SET status = 'cancelled'",
    "an item is claimed twice": """
        INSERT INTO claims (booking_id, item_id, place_session_id, quantity)
        SELECT booking_id, item_id, place_session_id, quantity FROM claims WHERE place_session_id IS NOT NULL
    """,
    "a live booking points at what is no longer there": "UPDATE rooms SET deleted_at = now()",
    "a session that takes place lacks its room": "DELETE FROM claims WHERE session_id IS NOT NULL",
    "a booking's price is not the sum of its items": "UPDATE bookings SET price = price + 1",
    "a room of the live log has a gap": "DELETE FROM events WHERE version = 1",
    "two answers are kept under one key": """
        ALTER TABLE repeat_keys DROP CONSTRAINT repeat_keys_pkey;
        INSERT INTO repeat_keys (user_id, route, key, body_hash)
        SELECT 1, 'bookings.make', 'key', '' FROM generate_series(1, 2)
    """,
}


async def test_every_check_has_a_fault_planted_for_it() -> None:
    assert set(PLANTED) == set(CHECKS)


async def test_every_planted_fault_is_found(hubs: list[ListeningHub]) -> None:
    hub = hubs[0]
    house = await stage.house(hub.pool, halls=2, pool_size=3)
    await house.session(5)
    [guest] = await stage.people(hub.pool, 1)
    items = [
        stage.slot(house.halls[0], 0),
        stage.stay(0, 2, room_type_id=house.pool_type),
        stage.place(house.sessions[0], 2),
    ]
    booked = await placing.place(hub, guest, MakeBooking.model_validate({"items": items}), at_once=True)
    workshop = CreateSession(
        venue_id=house.venue_id,
        title="Workshop",
        starts_at=booked.items[0].starts_at,
        ends_at=booked.items[0].ends_at,
        room_id=house.halls[1],
    )
    await sessions.create(hub, house.owner, workshop)
    await paid(hub, booked)
    assert await faults(hub.pool) == {}
    await guards.without_constraints(hub.pool)
    for fault, planting in PLANTED.items():
        async with as_owner(hub.pool) as db:
            undone = db.transaction()
            await undone.start()
            await db.execute(planting)
            assert fault in await faults_seen(db)
            await undone.rollback()
    assert await faults(hub.pool) == {}
