"""One's own data: all of it to take along, and nothing of it left once it is erased."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from hub import rooms
from hub.core import Actor
from hub.errors import Forbidden, HubError, Invalid, NotFound, StillInCharge, Unauthenticated
from hub.live import replay
from hub.models.bookings import CancelBooking, NameBooking, RescheduleBooking
from hub.models.files import Size, Upload
from hub.models.own_data import Erase
from hub.models.payments import StartPayment
from hub.models.people import NamePerson
from hub.models.users import ChangeMe
from hub.models.venues import NameVenue
from hub.services import accounts, bookings, calendars, files, own_data, paper, payments, people, venues
from storage import own_data as store
from tests.doors import PASSWORD, ListeningHub
from tests.identities import actor_of, ask, good, log_in, run
from tests.money.coming_in import filled
from tests.photos import photo
from tests.world import World

# No two of them are a part of one another, nor of anything else.
CANARIES = {
    "email": "qaxolotl@example.org",
    "full_name": "Qbinturong",
    "first_name": "Qcapybara",
    "last_name": "Qdugong",
    "phone": "+85598761234",
    "gender": "Qechidna",
    "bio": "Qfossa",
    "specialisation": "Qgharial",
}
NOTES, DETAILS, REASON, MOVED, DEVICE = "Qhoatzin", "Qindri", "Qjerboa", "Qkakapo", "Qlemur"
WORDS = (*CANARIES.values(), "qaxolotl", NOTES, DETAILS, REASON, MOVED, DEVICE, "1987-03-05")


async def canary(hub: ListeningHub) -> tuple[Any, Actor]:
    """Open an account whose every field is a word that is nowhere else."""
    fields = {name: word for name, word in CANARIES.items() if name != "gender"}
    given = await accounts.register(hub, Actor(device=DEVICE, address="203.0.113.77"), ask(**fields))
    actor = replace(await actor_of(hub, given), device=DEVICE)
    await accounts.change_me(hub, actor, ChangeMe(gender=CANARIES["gender"], birth_date="1987-03-05"))
    return given, actor


async def lived(hub: ListeningHub, world: World, actor: Actor) -> None:
    """Leave traces everywhere: bookings past and coming, held, moved, cancelled; kept answers, invitations, letters."""
    guest = {"full_name": DETAILS, "email": f"{DETAILS}@example.org", "special_requests": DETAILS}
    world.customer = actor
    booked = await world.book(world.slot(10), world.stay(), world.place(), notes=NOTES, guest_details=guest)
    move = {"booking_id": booked.id, "items": [world.slot(11)], "reason": MOVED}
    await bookings.reschedule(hub, actor, RescheduleBooking.model_validate(move))
    gone = await world.book(world.slot(16), notes=NOTES)
    await bookings.cancel(hub, actor, CancelBooking(booking_id=gone.id, reason=REASON))
    old = await world.book(world.slot(18), notes=NOTES, guest_details=guest)
    await run(
        hub, "UPDATE bookings SET status = 'completed', updated_at = now() - interval '9 days' WHERE id = $1", old.id
    )
    await world.hold(world.slot(14), world.stay(), notes=NOTES)
    await run(
        hub,
        """
        INSERT INTO repeat_keys (user_id, route, key, body_hash, answer)
        SELECT $2, 'holds.place', 'x', '', d.document FROM booking_documents(ARRAY[$1::bigint], NULL) AS d
        """,
        booked.id,
        world.clerk.user_id,
    )
    await run(
        hub,
        "INSERT INTO venue_invitations (venue_id, email, role, secret_hash, invited_by, expires_at)"
        " VALUES ($1, $2, 'desk', 'x', $3, now() + interval '1 day')",
        world.hall.id,
        CANARIES["email"],
        world.owner.user_id,
    )
    await run(
        hub,
        "INSERT INTO letters (job_id, channel, recipient, text) VALUES (0, 'mail', $1, $2)",
        CANARIES["email"],
        CANARIES["full_name"],
    )


async def tables(hub: ListeningHub) -> dict[str, str]:
    """Write out every table of the database, as only its owner can."""
    db = await asyncpg.connect(hub.settings.database_url)
    try:
        names = await db.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return {
            name: "\n".join(row[0] for row in await db.fetch(f'SELECT t::text FROM "{name}" AS t'))  # noqa: S608
            for (name,) in names
        }
    finally:
        await db.close()


def kept_files(hub: ListeningHub) -> list[Path]:
    """List the pictures that are kept."""
    return list(hub.settings.data.rglob("*.jpg"))


def places(found: dict[str, str]) -> set[tuple[str, str]]:
    """Tell which words stand where."""
    return {(table, word) for table, text in found.items() for word in WORDS if word.lower() in text.lower()}


@pytest.mark.abuse("K13")
async def test_who_erases_themselves_is_nowhere_any_more(hub: ListeningHub) -> None:
    world = await World.build(hub)
    given, actor = await canary(hub)
    await lived(hub, world, actor)
    user = await files.set_picture(hub, actor, Upload(body=photo()))
    assert user.picture_url
    before = await tables(hub)
    known = places(before)
    assert {table for table, _ in known} >= {
        *("users", "bookings", "booking_changes", "events", "logins", "devices", "jobs", "letters", "repeat_keys"),
        "venue_invitations",
    }
    # The audit never knew a word.
    assert not [word for table, word in known if table == "audit"]
    counted = await hub.pool.fetchrow("SELECT count(*), sum(price) FROM bookings")

    await own_data.erase(hub, actor, Erase(password=PASSWORD))

    # One letter says good-bye; with it the last address goes.
    assert {table for table, _ in places(await tables(hub))} <= {"jobs"}
    [mail] = await hub.pool.fetch("SELECT data FROM jobs WHERE kind = 'mail' AND data ->> 'to' = $1", CANARIES["email"])
    assert mail["data"]["template"] == "account_erased"
    await run(hub, "UPDATE jobs SET done_at = now(), data = '{}' WHERE data ->> 'to' = $1", CANARIES["email"])
    assert places(await tables(hub)) == set()

    # The books are as they were.
    assert await hub.pool.fetchrow("SELECT count(*), sum(price) FROM bookings") == counted
    assert await hub.pool.fetchval("SELECT count(*) FROM bookings WHERE user_id = $1", given.user.id) == 4
    # Whoever was let in is let in no more, and the picture is gone.
    assert await good(hub, given) == set()
    with pytest.raises(HubError):
        await accounts.log_in(hub, actor, log_in(CANARIES["email"]))
    with pytest.raises(NotFound):
        await files.serve(hub, user.picture_url.rpartition("/")[2], Size(), takes_webp=False)
    assert kept_files(hub) == []
    # Their address is free again, and opens another account.
    again = await accounts.register(hub, actor, ask(email=CANARIES["email"]))
    assert again.user.id != given.user.id


@pytest.mark.abuse("K13")
async def test_no_watcher_learns_the_name_of_who_was_erased(hub: ListeningHub) -> None:
    world = await World.build(hub)
    given, actor = await canary(hub)
    await lived(hub, world, actor)
    desk = await replay.tell(hub.pool, rooms.desk(world.hall.id), world.hall.id, replay.desk, None, None)
    await own_data.erase(hub, actor, Erase(password=PASSWORD))

    async def looked(since: int | None) -> str:
        told = await replay.tell(hub.pool, rooms.desk(world.hall.id), world.hall.id, replay.desk, since, None)
        return told.json().decode()

    for since in (None, 0, 1, desk.version):
        text = await looked(since)
        assert not [word for word in WORDS if word.lower() in text.lower()], since
    events = orjson.loads(await looked(desk.version))["events"]
    assert {event["name"] for event in events} == {"booking.cancelled", "booking.changed", "guest.changed"}
    renamed = next(event["data"] for event in events if event["name"] == "guest.changed")
    assert (renamed["id"], renamed["full_name"], renamed["phone"]) == (given.user.id, store.NOBODY, None)
    assert orjson.loads(await looked(0))["reload"] is True
    with pytest.raises(NotFound):
        await replay.tell(hub.pool, rooms.user(given.user.id), given.user.id, replay.user, None, None)


async def test_an_admin_who_deletes_somebody_erases_them(hub: ListeningHub) -> None:
    world = await World.build(hub)
    given, actor = await canary(hub)
    await lived(hub, world, actor)
    boss = await people_admin(hub)
    await people.delete(hub, boss, NamePerson(user_id=given.user.id))
    assert {table for table, _ in places(await tables(hub))} <= {"jobs"}
    with pytest.raises(NotFound):
        await people.delete(hub, boss, NamePerson(user_id=given.user.id))


async def people_admin(hub: ListeningHub) -> Actor:
    """Make an admin."""
    given = await accounts.register(hub, Actor(), ask(email="boss@example.org", full_name="Boss"))
    await run(hub, "INSERT INTO user_roles SELECT $1, id FROM roles WHERE code = 'super_admin'", given.user.id)
    return await actor_of(hub, given)


async def test_erasing_needs_the_password_and_oneself(hub: ListeningHub) -> None:
    _, actor = await canary(hub)
    with pytest.raises(Invalid):
        await own_data.erase(hub, actor, Erase())
    with pytest.raises(HubError):
        await own_data.erase(hub, actor, Erase(password="not my password at all"))
    acting = replace(actor, impersonator_id=7)
    for attempt in (own_data.erase(hub, acting, Erase(password=PASSWORD)), own_data.export(hub, acting)):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(Unauthenticated):
        await own_data.export(hub, Actor())
    assert (await accounts.me(hub, actor)).full_name == CANARIES["full_name"]


async def test_who_runs_something_hands_it_over_first(hub: ListeningHub) -> None:
    world = await World.build(hub)
    given = await accounts.register(hub, Actor(), ask(role="vendor"))
    owner = await actor_of(hub, given)
    await run(hub, "UPDATE venues SET owner_id = $2 WHERE id = $1", world.hotel.id, given.user.id)
    with pytest.raises(StillInCharge) as refused:
        await own_data.erase(hub, owner, Erase(password=PASSWORD))
    assert refused.value.details["names"] == ["Hotel Aurora"]
    await venues.delete(hub, owner, NameVenue(venue_id=world.hotel.id))
    await run(hub, "UPDATE sessions SET facilitator_id = $1", given.user.id)
    with pytest.raises(StillInCharge):
        await own_data.erase(hub, owner, Erase(password=PASSWORD))
    await run(hub, "UPDATE sessions SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour'")
    await own_data.erase(hub, owner, Erase(password=PASSWORD))
    assert await hub.pool.fetchval("SELECT status FROM users WHERE id = $1", given.user.id) == "deleted"


@pytest.mark.abuse("B5")
async def test_the_last_super_admin_stays(hub: ListeningHub) -> None:
    boss = await people_admin(hub)
    with pytest.raises(StillInCharge):
        await own_data.erase(hub, boss, Erase(password=PASSWORD))


async def test_erasing_twice_at_once_erases_once(hub: ListeningHub) -> None:
    _, actor = await canary(hub)
    answers = await asyncio.gather(
        *(own_data.erase(hub, actor, Erase(password=PASSWORD)) for _ in range(4)), return_exceptions=True
    )
    assert answers.count(None) == 1
    assert all(answer is None or isinstance(answer, HubError) for answer in answers), answers


async def test_the_export_holds_all_that_is_ones_own_and_nothing_else(hub: ListeningHub) -> None:
    world = await World.build(hub)
    rival = world.rival
    world.customer = rival
    await world.book(world.slot(20), notes="of the rival")
    given, actor = await canary(hub)
    await lived(hub, world, actor)
    await files.set_picture(hub, actor, Upload(body=photo()))
    await filled(hub, actor, 500)
    held = await world.hold(world.slot(6, days=12), by=actor)
    await payments.start(hub, actor, StartPayment(booking_id=held.id, gateway="wallet", amount=200))
    await paper.printed(hub, actor, NameBooking(booking_id=held.id), "receipt")
    await calendars.subscribe(hub, actor)
    export = await own_data.export(hub, actor)
    text = export.model_dump_json()
    missing = [word for word in WORDS if word.lower() not in text.lower()]
    assert missing == []
    assert export.user.id == given.user.id
    assert {booking.user_id for booking in export.bookings} == {given.user.id}
    assert len(export.bookings) == 5
    assert [(one.gateway, one.amount) for one in export.payments] == [("wallet", 200)]
    assert [one.balance for one in export.wallet] == [300]
    assert [(one.amount, one.balance) for one in export.wallet_entries] == [(500, 500), (-200, 300)]
    assert [(one.kind, one.number, one.content.received) for one in export.papers] == [("receipt", 1, 200)]
    assert export.calendar is not None
    assert [file.url for file in export.files] == [export.user.picture_url]
    assert "of the rival" not in text
    for secret in ("password_hash", "argon2", "secret_hash", "token"):
        assert secret not in text
