"""Everything that can be done to a world, each with what must have been done before; one act for each way it can go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hub.core import Actor
from hub.jobs import queue
from hub.models.bookings import Booking, CancelBooking, NameBooking, RescheduleBooking
from hub.models.files import Upload
from hub.models.roles import CreateRole
from hub.models.venues import ChangeVenue
from hub.models.wallet import Adjust
from hub.services import accounts, adjustments, bookings, check_ins, codes, files, holds, roles, sandbox, venues
from hub.services.access import signed_in
from hub.services.passwords import hashed
from hub.services.verifications import locked
from storage import refunds as refund_store
from storage.check_ins import Known
from tests import builders
from tests.doors import PASSWORD
from tests.identities import run
from tests.money.coming_in import paid
from tests.openid import Vouching
from tests.photos import photo
from tests.world import World


class Do(Protocol):
    """Carry out an endpoint while everybody watches: they begin right before the first, and compare after each."""

    def __call__(self, endpoint: str, actor: Actor, /, **ask: Any) -> Awaitable[Any]: ...


class Sweep(Protocol):
    """Let these run out, and the sweeper end all that has, while everybody watches."""

    def __call__(self, *late: Booking) -> Awaitable[None]: ...


Act = Callable[[World, Do, Sweep], Awaitable[None]]
ACTS: dict[str, Act] = {}

NOTES = "SECRET-NOTES"
GUEST = {"full_name": "SECRET-GUEST", "email": "secret@example.org"}


def act(function: Act) -> Act:
    """Put an act on the list."""
    ACTS[function.__name__.replace("_", " ")] = function
    return function


def everything(world: World) -> list[Any]:
    """Want a bit of all there is, at both venues."""
    return [world.slot(10, 2), world.stay(2, 2), world.suite_stay(2), world.place(3)]


async def by_payment(world: World) -> None:
    """Let both venues confirm only what is paid."""
    for venue in (world.hall, world.hotel):
        await venues.change(world.hub, world.owner, ChangeVenue(venue_id=venue.id, confirmation="payment"))


# Holds


@act
async def a_basket_is_held(world: World, do: Do, sweep: Sweep) -> None:
    await do("holds.place", world.customer, items=everything(world), notes=NOTES, guest_details=GUEST)


@act
async def the_desk_holds_for_a_guest(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.place())
    await do("holds.place", world.clerk, items=everything(world), user_id=world.customer.user_id)


@act
async def a_hold_is_renewed(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(*everything(world))
    async with world.hub.pool.acquire() as db:
        await db.execute("SELECT pg_sleep(0.02)")
    await do("holds.renew", world.customer, booking_id=held.id)


@act
async def a_hold_is_confirmed(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(*everything(world), notes=NOTES)
    await do("holds.confirm", world.customer, booking_id=held.id)


@act
async def a_hold_waits_for_its_payment_and_is_confirmed_by_the_desk(world: World, do: Do, sweep: Sweep) -> None:
    await by_payment(world)
    held = await world.hold(*everything(world))
    await do("holds.confirm", world.customer, booking_id=held.id)
    await do("holds.confirm", world.clerk, booking_id=held.id)


@act
async def a_hold_is_given_back(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(*everything(world))
    await do("holds.release", world.customer, booking_id=held.id)


@act
async def what_waits_for_its_payment_is_given_back(world: World, do: Do, sweep: Sweep) -> None:
    await by_payment(world)
    held = await world.hold(*everything(world))
    await holds.confirm(world.hub, world.customer, NameBooking(booking_id=held.id))
    await do("holds.release", world.customer, booking_id=held.id)


@act
async def items_leave_a_basket_until_it_is_empty(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(*everything(world))
    for item in held.items:
        await do("holds.release_item", world.customer, booking_id=held.id, item_id=item.id)


@act
async def the_items_of_one_venue_leave_a_basket(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(world.stay(), world.slot(10))
    await do("holds.release_item", world.customer, booking_id=held.id, item_id=held.items[1].id)


@act
async def an_addon_leaves_a_basket_with_what_it_is_sold_beside(world: World, do: Do, sweep: Sweep) -> None:
    breakfast = await builders.make_addon(world.hub, world.owner, world.hotel, price=900, price_per="guest")
    beside = {"kind": "addon", "addon_id": breakfast.id}
    held = await do("holds.place", world.customer, items=[world.slot(10), world.stay(), beside])
    await do("holds.release_item", world.customer, booking_id=held.id, item_id=held.items[1].id)
    booked = await do("bookings.make", world.customer, items=[world.stay(), beside])
    wanted = [world.stay(3, guests=2), beside]
    await do("bookings.reschedule", world.customer, booking_id=booked.id, items=wanted)


# Bookings


@act
async def a_basket_is_booked(world: World, do: Do, sweep: Sweep) -> None:
    await do("bookings.make", world.customer, items=everything(world), notes=NOTES, guest_details=GUEST)


@act
async def a_booking_waits_for_its_payment(world: World, do: Do, sweep: Sweep) -> None:
    await by_payment(world)
    await do("bookings.make", world.customer, items=everything(world))


@act
async def the_desk_books_for_a_guest(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.place(), by=world.rival)
    await do("bookings.make", world.owner, items=everything(world), user_id=world.rival.user_id)


@act
async def the_last_of_everything_is_booked(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.stay(2, 2), world.place(8), by=world.rival)
    await do("bookings.make", world.customer, items=[world.stay(3, 1, days=19), world.place(2)])


@act
async def a_booking_is_cancelled_by_its_guest(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(*everything(world), notes=NOTES)
    await do("bookings.cancel", world.customer, booking_id=booked.id, reason="Rain", reason_code="weather")


@act
async def a_booking_that_shares_its_nights_is_cancelled_by_the_desk(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(*everything(world))
    await world.hold(world.stay(2, 1), world.place(2), by=world.rival)
    await do("bookings.cancel", world.clerk, booking_id=booked.id, reason_code="venue")


@act
async def a_booking_moves_within_its_venue(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(10, 2), world.place(2))
    items = [world.slot(11, 2), world.place(5)]
    await do("bookings.reschedule", world.customer, booking_id=booked.id, items=items, reason="late")


@act
async def a_booking_moves_over_its_own_nights(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.stay(3, 2), world.suite_stay(3))
    items = [world.stay(3, 2, days=21), world.suite_stay(4)]
    await do("bookings.reschedule", world.customer, booking_id=booked.id, items=items)


@act
async def a_booking_moves_to_another_venue_and_back(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(10), world.place())
    await do("bookings.reschedule", world.clerk, booking_id=booked.id, items=[world.stay(), world.suite_stay()])
    await do("bookings.reschedule", world.customer, booking_id=booked.id, items=[world.slot(12)])


@act
async def a_booking_grows_to_a_second_venue(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(10))
    await do("bookings.reschedule", world.customer, booking_id=booked.id, items=[world.slot(10), world.stay()])


@act
async def a_hold_moves(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(world.slot(10), world.stay())
    await do("bookings.reschedule", world.customer, booking_id=held.id, items=[world.slot(15), world.place(4)])


@act
async def guests_came_and_others_did_not(world: World, do: Do, sweep: Sweep) -> None:
    came, stayed_away = await world.book(world.slot(10), world.place()), await world.book(world.slot(12))
    for booking in (came, stayed_away):
        await world.begin(booking)
    await do("bookings.complete", world.clerk, booking_id=came.id)
    await do("bookings.no_show", world.owner, booking_id=stayed_away.id)


@act
async def the_guests_of_two_venues_check_in_at_each(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(10), world.stay(), notes=NOTES)
    await world.begin(booked)
    code = check_ins.code(world.hub, Known(id=booked.id, reference=booked.reference))
    await do("check_ins.create", world.clerk, code=code, venue_id=world.hall.id)
    await do("check_ins.create", world.owner, code=code, venue_id=world.hotel.id)


# Running out


@act
async def a_hold_and_what_waited_for_its_payment_run_out(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(*everything(world))
    await by_payment(world)
    pending = await world.book(world.slot(14), world.place(2), by=world.rival)
    await sweep(held, pending)


@act
async def what_ran_out_is_taken_over_and_then_swept(world: World, do: Do, sweep: Sweep) -> None:
    late = [await world.hold(world.slot(10), world.stay(2, 3)), await world.hold(world.place(10), world.suite_stay())]
    await world.run_out(*late)
    taken = [world.slot(11), world.slot(10), world.stay(1, 2, days=21), world.place(4), world.suite_stay()]
    await do("bookings.make", world.rival, items=taken)
    await sweep()


@act
async def what_ran_out_is_taken_over_by_a_move(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(8), world.stay(1, 1, days=30), by=world.rival)
    late = await world.hold(world.slot(10), world.stay(2, 3))
    await world.run_out(late)
    items = [world.slot(10), world.stay(2, 2)]
    await do("bookings.reschedule", world.rival, booking_id=booked.id, items=items)
    await sweep()


# Sessions


@act
async def sessions_are_planned(world: World, do: Do, sweep: Sweep) -> None:
    late = await world.hold(world.slot(9, 2, days=13), world.slot(9, days=13, room=world.other_room))
    await world.run_out(late)
    times = {"starts_at": world.at(9, days=13), "ends_at": world.at(10, days=13)}
    await do("sessions.create", world.owner, venue_id=world.hall.id, title="Over", room_id=world.room.id, **times)
    times = {"starts_at": world.at(9, days=12), "ends_at": world.at(11, days=12)}
    await do("sessions.create", world.owner, venue_id=world.hall.id, title="Flow", capacity=5, **times)
    await do("sessions.create", world.owner, venue_id=world.hall.id, title="In", room_id=world.room.id, **times)
    await do("sessions.create", world.owner, title="In a studio of one's own", **times)
    await sweep()


@act
async def a_session_that_is_booked_changes(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.place(3), world.stay())
    await world.hold(world.place(2), by=world.rival)
    ask = {"session_id": world.session.id}
    await do("sessions.change", world.owner, **ask, title="Evening flow", price=3000, language="pt")
    await do("sessions.change", world.owner, **ask, capacity=6)
    await do("sessions.change", world.owner, **ask, room_id=world.room.id)
    await do("sessions.change", world.owner, **ask, starts_at=world.at(14), ends_at=world.at(16))
    await do("sessions.change", world.owner, **ask, room_id=world.other_room.id)
    await do("sessions.change", world.owner, **ask, room_id=None, capacity=20)


@act
async def a_session_that_is_booked_is_cancelled_and_then_deleted(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.place(3), world.stay(), world.slot(10))
    await world.hold(world.place(2), by=world.rival)
    late = await world.hold(world.place(2))
    await world.run_out(late)
    session = await builders.make_session(
        world.hub, world.owner, world.hall, room_id=world.room.id, starts_at=world.at(15)
    )
    await world.book(builders.place(session))
    await do("sessions.cancel", world.owner, session_id=session.id, reason="ill")
    await do("sessions.cancel", world.owner, session_id=world.session.id, reason="ill")
    await sweep()
    await do("sessions.delete", world.owner, session_id=world.session.id)


# Closures


@act
async def a_room_is_closed_twice_over_and_opened_again(world: World, do: Do, sweep: Sweep) -> None:
    ask = {"venue_id": world.hall.id, "room_id": world.room.id}
    one = await do("closures.create", world.owner, **ask, starts_at=world.at(8), ends_at=world.at(12), reason=NOTES)
    two = await do("closures.create", world.owner, **ask, starts_at=world.at(10), ends_at=world.at(14))
    await do("closures.change", world.owner, closure_id=one.id, ends_at=world.at(11))
    await do("closures.change", world.owner, closure_id=one.id, reason="paint")
    await do("closures.delete", world.owner, closure_id=one.id)
    await do("closures.delete", world.owner, closure_id=two.id)


@act
async def rooms_of_a_pool_are_closed(world: World, do: Do, sweep: Sweep) -> None:
    await world.hold(world.stay(2))
    ask = {"venue_id": world.hotel.id, "room_type_id": world.pool.id}
    nights = {"check_in": world.day(19), "check_out": world.day(23)}
    closure = await do("closures.create", world.owner, **ask, quantity=1, **nights)
    await do("closures.change", world.owner, closure_id=closure.id, quantity=2)
    await do("closures.change", world.owner, closure_id=closure.id, ends_at=world.at(12, days=21))
    await do("closures.delete", world.owner, closure_id=closure.id)


@act
async def a_whole_venue_is_closed(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.stay(2), world.suite_stay(2))
    nights = {"check_in": world.day(25), "check_out": world.day(28)}
    closure = await do("closures.create", world.owner, venue_id=world.hotel.id, **nights)
    await do("rooms.create", world.owner, room_type_id=world.suites.id, number="S3")
    await do("room_types.change", world.owner, room_type_id=world.pool.id, total_rooms=5)
    await do("closures.delete", world.owner, closure_id=closure.id)


# What there is


@act
async def room_types_come_change_and_go(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.stay(2, 2))
    new = await do("room_types.create", world.owner, venue_id=world.hotel.id, name="Twin", total_rooms=2, price=7000)
    await do("room_types.create", world.owner, venue_id=world.hall.id, name="Stage", price=500)
    await do("room_types.change", world.owner, room_type_id=world.pool.id, price=9900, amenities=["bath"])
    await do("room_types.change", world.owner, room_type_id=world.pool.id, total_rooms=6)
    await do("room_types.change", world.owner, room_type_id=world.pool.id, total_rooms=2)
    nights = {"check_in": world.day(25), "check_out": world.day(28)}
    await do("closures.create", world.owner, venue_id=world.hotel.id, room_type_id=new.id, quantity=1, **nights)
    await do("room_types.delete", world.owner, room_type_id=new.id)


@act
async def rates_come_change_and_go(world: World, do: Do, sweep: Sweep) -> None:
    ask = {"room_type_id": world.pool.id, "name": "Weekend", "weekdays": ["fri", "sat"], "percent": 150}
    made = await do("rates.create", world.owner, **ask)
    await do("rates.change", world.owner, rate_id=made.id, price=15_000)
    await do("rates.delete", world.owner, rate_id=made.id)


@act
async def rooms_come_change_and_go(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.slot(10))
    made = await do("rooms.create", world.owner, room_type_id=world.hall_type.id, number="9", floor=2)
    await do("rooms.create", world.owner, room_type_id=world.pool.id, number="909")
    await do("rooms.change", world.owner, room_id=made.id, number="9b", floor=None)
    await do("rooms.change", world.owner, room_id=world.room.id, status="maintenance")
    await do("rooms.change", world.owner, room_id=world.room.id, is_active=False)
    span = {"starts_at": world.at(8), "ends_at": world.at(12)}
    await do("closures.create", world.owner, venue_id=world.hall.id, room_id=made.id, **span)
    await do("rooms.delete", world.owner, room_id=made.id)


@act
async def a_venue_changes(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.slot(10), world.place())
    span = {"check_in": world.day(25), "check_out": world.day(28)}
    await do("closures.create", world.owner, venue_id=world.hotel.id, **span)
    await do("venues.change", world.owner, venue_id=world.hall.id, name="Sala Sul", opening_hours=None, min_nights=2)
    await do("venues.change", world.owner, venue_id=world.hotel.id, check_in_time="18:00", check_out_time="09:00")
    await do("venues.change", world.owner, venue_id=world.hotel.id, timezone="Asia/Kathmandu", currency="USD")
    await do("venues.change", world.owner, venue_id=world.hall.id, is_active=False)


@act
async def venues_come_and_go(world: World, do: Do, sweep: Sweep) -> None:
    late = await world.hold(world.stay())
    await world.run_out(late)
    await do("venues.create", world.owner, name="Quinta")
    await do("venues.delete", world.owner, venue_id=world.hotel.id)


# People


@act
async def people_change_their_names(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(*everything(world))
    await world.hold(world.slot(14))
    await do("me.change", world.customer, full_name="Ana Maria Reis", phone="+855 12 345 678")
    await do("me.change", world.owner, full_name="Vera Maria Lopes")


@act
async def people_show_that_an_address_is_theirs_and_change_it(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(*everything(world))
    user_id = signed_in(world.customer)
    async with world.hub.work(world.customer) as work:
        user = await locked(work, user_id)
        verify = await codes.put(world.hub, work, user_id, "verify_email", user.email)
        change = await codes.put(world.hub, work, user_id, "change_email", f"new.{user.email}")
    await do("me.check_verification", world.customer, channel="email", code=verify)
    await do("me.confirm_email", world.customer, code=change)


@act
async def a_facilitator_signs_up_with_a_studio(world: World, do: Do, sweep: Sweep) -> None:
    details = {"email": "flow@example.org", "password": PASSWORD, "full_name": "Flor Flow", "role": "facilitator"}
    await do("auth.register", Actor(), **details, studio={"name": "Flow", "timezone": "Europe/Lisbon"})


@act
async def an_admin_changes_people_and_what_they_may_do(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(*everything(world))
    boss, user_id = await builders.make_actor(world.hub, "super_admin"), signed_in(world.customer)
    code = f"night_desk_{user_id}"
    role = await roles.create(world.hub, boss, CreateRole(name="Night desk", code=code, permissions=["booking:read"]))
    await do("users.change", boss, user_id=user_id, full_name="Ana Maria Reis", is_student=True)
    await do("users.set_roles", boss, user_id=user_id, roles=["customer", code])
    await do("roles.permit", boss, role_id=role.id, permissions=["booking:read", "room:write"])
    await do("users.set_roles", boss, user_id=user_id, roles=["vendor"])


@act
async def pictures_go(world: World, do: Do, sweep: Sweep) -> None:
    upload = Upload(body=photo("PNG", (16, 16)), alt="The hall")
    await files.set_picture(world.hub, world.customer, upload)
    names = [
        one.images[0].url.rpartition("/")[2]
        for one in (
            await files.add_venue_image(world.hub, world.owner, world.hall.id, upload),
            await files.add_room_type_image(world.hub, world.owner, world.pool.id, upload),
            await files.add_room_image(world.hub, world.owner, world.room.id, upload),
        )
    ]
    await do("me.remove_picture", world.customer)
    await do("venues.remove_image", world.owner, venue_id=world.hall.id, name=names[0])
    await do("room_types.remove_image", world.owner, room_type_id=world.pool.id, name=names[1])
    await do("rooms.remove_image", world.owner, room_id=world.room.id, name=names[2])


@act
async def google_is_linked_and_vouches_for_the_address(world: World, do: Do, sweep: Sweep) -> None:
    user = await accounts.me(world.hub, world.customer)
    await run(
        world.hub,
        "UPDATE users SET password_hash = $2 WHERE id = $1",
        user.id,
        await hashed(world.hub.settings, PASSWORD),
    )
    world.hub.providers = Vouching(world.hub.settings, user.email)
    asked = {
        "code": f"code-{user.id}",
        "code_verifier": "v" * 43,
        "nonce": "n" * 20,
        "redirect_uri": "http://localhost/",
    }
    await do("me.link", world.customer, provider="google", password=PASSWORD, **asked)


@act
async def somebody_erases_themselves(world: World, do: Do, sweep: Sweep) -> None:
    await run(
        world.hub,
        "UPDATE users SET password_hash = $2 WHERE id = $1",
        world.customer.user_id,
        await hashed(world.hub.settings, PASSWORD),
    )
    await world.book(*everything(world), notes=NOTES, guest_details=GUEST)
    done = await world.book(world.slot(16), notes=NOTES)
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=done.id, reason=NOTES))
    await world.hold(world.slot(14), world.stay(), notes=NOTES)
    await do("me.erase", world.customer, password=PASSWORD)


@act
async def an_admin_erases_somebody(world: World, do: Do, sweep: Sweep) -> None:
    await world.book(world.slot(10), notes=NOTES, guest_details=GUEST)
    boss = await builders.make_actor(world.hub, "super_admin")
    await do("users.delete", boss, user_id=world.customer.user_id)


@act
async def a_guest_reads_their_history(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot(10))
    move = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(12)]})
    await bookings.reschedule(world.hub, world.customer, move)
    await do("bookings.cancel", world.customer, booking_id=booked.id)


# Money


@act
async def a_wallet_is_corrected_by_one_and_by_two_and_thawed(world: World, do: Do, sweep: Sweep) -> None:
    one, other = [await builders.make_actor(world.hub, "admin") for _ in range(2)]
    whose = {"user_id": world.customer.user_id, "currency": "EUR", "reason": NOTES}
    await do("wallet.adjust", one, amount=500, **whose)
    large = Adjust.model_validate({**whose, "amount": 50_000})
    waiting = await adjustments.adjust(world.hub, one, large)
    await do("wallet.approve", other, adjustment_id=waiting.id)
    await run(world.hub, "UPDATE accounts SET frozen_at = clock_timestamp() WHERE user_id = $1", world.customer.user_id)
    await do("wallet.unfreeze", one, **whose)
    await do("wallet.top_up", world.customer, gateway="sandbox", amount=500, currency="EUR")


@act
async def a_hold_is_paid_at_a_provider(world: World, do: Do, sweep: Sweep) -> None:
    await by_payment(world)
    held = await world.hold(*everything(world))
    begun = await do("payments.start", world.customer, booking_id=held.id, gateway="sandbox")
    await sandbox.press(world.hub, begun.pay_at.redirect_url.rpartition("/")[2], "pay")
    await do("payments.check", world.customer, payment_id=begun.id)


@act
async def somebody_settles_by_hand_what_a_provider_said(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(world.stay())
    begun = await do("payments.start", world.customer, booking_id=held.id, gateway="sandbox")
    await run(world.hub, "UPDATE payments SET finding = 'It took another amount.' WHERE id = $1", begun.id)
    admin = await builders.make_actor(world.hub, "admin")
    await do("payments.resolve", admin, payment_id=begun.id, reason="It was paid back by hand.")


@act
async def a_payer_leaves_and_pays_at_the_desk(world: World, do: Do, sweep: Sweep) -> None:
    held = await world.hold(world.stay())
    begun = await do("payments.start", world.customer, booking_id=held.id, gateway="sandbox")
    await do("payments.cancel", world.customer, payment_id=begun.id)
    await do("bookings.cash", world.clerk, booking_id=held.id, amount=100)
    await do("bookings.cash", world.clerk, booking_id=held.id, amount=held.price - 100)


@act
async def a_booking_is_cancelled_piece_by_piece_and_its_refunds_are_decided(world: World, do: Do, sweep: Sweep) -> None:
    waits = {"refund_approval_above": 0, "cancellation_steps": [{"hours_before": 1, "refund_percent": 50}]}
    for venue in (world.hall, world.hotel):
        await venues.change(world.hub, world.owner, ChangeVenue.model_validate({"venue_id": venue.id, "terms": waits}))
    booked = await world.book(*everything(world))
    await paid(world.hub, booked)
    slot, stay, _, place = (item.id for item in booked.items)
    fewer = await do("bookings.cancel", world.customer, booking_id=booked.id, item_ids=[place], guests=1)
    await do("refunds.reject", world.owner, refund_id=fewer.refunds[0].id, reason="It was full.")
    without = await do("bookings.cancel", world.customer, booking_id=booked.id, item_ids=[slot, place])
    await do("refunds.approve", world.owner, refund_id=without.refunds[0].id)
    await do("bookings.cancel", world.clerk, booking_id=booked.id, item_ids=[stay], reason_code="venue")
    await do("bookings.cancel", world.customer, booking_id=booked.id)


@act
async def refunds_fail_go_another_way_and_over_the_desk(world: World, do: Do, sweep: Sweep) -> None:
    booked = await world.book(world.slot())
    await paid(world.hub, booked, 1000, "cash")
    await paid(world.hub, booked, 5000)
    cancelled = await do("bookings.cancel", world.customer, booking_id=booked.id)
    by_card, in_cash = cancelled.refunds
    async with world.hub.reading() as db:
        await refund_store.fail(db, by_card.id, "The card is closed.")
    await do("refunds.retry", world.owner, refund_id=by_card.id, target="wallet")
    await do("refunds.hand_over", world.clerk, refund_id=in_cash.id)


@act
async def what_was_paid_for_holds_comes_back(world: World, do: Do, sweep: Sweep) -> None:
    smaller, released = await world.hold(world.slot(10), world.stay()), await world.hold(world.slot(14), world.stay())
    late = await world.hold(world.slot(12))
    for one in (smaller, late):
        await paid(world.hub, one)
    await paid(world.hub, released, 1000)
    await do("holds.release_item", world.customer, booking_id=smaller.id, item_id=smaller.items[0].id)
    await do("bookings.reschedule", world.customer, booking_id=released.id, items=[world.stay(1)])
    await do("holds.release", world.customer, booking_id=released.id)
    await sweep(late)
    await queue.work_off(world.hub)
