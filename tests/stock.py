"""A small stock of everything, so that every endpoint has something to be asked about."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.core import THE_HUB, Hub
from hub.models.bookings import Booking
from hub.models.payments import StartPayment
from hub.models.roles import CreateRole
from hub.models.staff import Invite
from hub.models.wallet import Adjust
from hub.models.webhooks import CreateWebhook
from hub.services import adjustments, invitations, payments, refunds, roles, webhooks
from storage.pool import as_owner
from tests import builders
from tests.doors import People, Person
from tests.money.coming_in import paid

_PARAMETER = re.compile(r"{(\w+)}")


@dataclass
class Stock:
    """Somebody of each kind, and one thing of each kind."""

    owner: Person
    customer: Person
    stranger: Person
    admin: Person
    ids: dict[str, Any]
    hold: Booking
    booking: Booking
    free_slot: dict[str, Any]

    def path(self, template: str, **others: Any) -> str:
        """Fill the parameters of a path with what the stock has."""
        ids = self.ids | others
        if template.startswith("/holds/"):
            ids = {**self.ids, "booking_id": self.hold.id, **others}
        return _PARAMETER.sub(lambda found: str(ids[found[1]]), template)


async def stock(hub: Hub, people: People) -> Stock:
    """Open a hotel with a pool and a hall with a room, plan a session, and hold and book some of it."""
    owner, customer = await people.vendor(), await people.customer()
    stranger, admin = await people.customer("Sid Stranger"), await people.admin(role="super_admin")
    hotel = await builders.make_venue(hub, owner.actor, name="Hotel Aurora", kind="hotel")
    pool = await builders.make_room_type(hub, owner.actor, hotel, name="Double", total_rooms=5)
    hall = await builders.make_venue(hub, owner.actor)
    room_type = await builders.make_room_type(hub, owner.actor, hall, capacity=50)
    room = await builders.make_room(hub, owner.actor, room_type, "Big hall")
    session = await builders.make_session(hub, owner.actor, hall)
    closure = await builders.make_closure(
        hub, owner.actor, hall, starts_at=builders.tomorrow(0, days=9), ends_at=builders.tomorrow(0, days=10)
    )
    addon = await builders.make_addon(hub, owner.actor, hall)
    rate = await builders.make_rate(hub, owner.actor, room_type)
    offer = await builders.make_offer(hub, owner.actor, hall)
    clerk = await builders.make_staff(hub, hall)
    role = await roles.create(hub, admin.actor, CreateRole(name="Night desk"))
    ask = Invite(venue_id=hall.id, email="invited@example.org")
    invitation = await invitations.invite(hub, owner.actor, ask)
    webhook = CreateWebhook(venue_id=hall.id, url="https://1.1.1.1/hooks")
    hook = await webhooks.create(hub, owner.actor, webhook)
    correction = Adjust(user_id=customer.id, amount=50_000, currency="EUR", reason="The roof leaked.")
    adjustment = await adjustments.adjust(hub, admin.actor, correction)
    day = builders.day_after(20)
    hold = await builders.make_hold(hub, customer.actor, builders.stay(pool, day, 2), builders.place(session))
    booking = await builders.make_booking(hub, customer.actor, builders.slot(room, builders.tomorrow(days=3), 2))
    payment = await payments.start(hub, customer.actor, StartPayment(booking_id=booking.id, gateway="sandbox"))
    bought = await builders.make_booking(hub, customer.actor, builders.slot(room, builders.tomorrow(days=4), 2))
    await paid(hub, bought, 100)
    async with hub.work(THE_HUB) as work:
        (refund,) = await refunds.give_back(work, bought.id, 100, "It rained.", approval_above=0)
    free = builders.slot(room, builders.tomorrow(days=5), 2)
    assert customer.actor.login_id
    return Stock(
        owner,
        customer,
        stranger,
        admin,
        {
            "venue_id": hall.id,
            "room_type_id": room_type.id,
            "room_id": room.id,
            "session_id": session.id,
            "closure_id": closure.id,
            "addon_id": addon.id,
            "rate_id": rate.id,
            "offer_id": offer.id,
            "booking_id": booking.id,
            "payment_id": payment.id,
            "refund_id": refund.id,
            "item_id": hold.items[0].id,
            "login_id": UUID(customer.actor.login_id),
            "user_id": clerk.user_id,
            "role_id": role.id,
            "invitation_id": invitation.id,
            "webhook_id": hook.webhook.id,
            "adjustment_id": adjustment.id,
            "provider": "google",
            "name": "0" * 32 + ".jpg",
        },
        hold,
        booking,
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in free.items()},
    )


NEXT_IN_OUTBOX = "SELECT 'outbox', last_value::text FROM outbox_id_seq"


async def contents(hub: Hub) -> dict[str, str]:
    """Answer a digest of each table, to see whether anything changed.

    Left out is the audit, which keeps refusals too. Of the outbox, from which what was told before is just being sent,
    only the number that comes next counts.
    """
    async with as_owner(hub.pool) as db:
        tables = await db.fetch(
            """
            SELECT relname::text AS name FROM pg_stat_user_tables
            WHERE schemaname = 'public' AND relname !~ '^(audit|outbox$)' ORDER BY relname
            """
        )
        every = " UNION ALL ".join(
            f"SELECT '{table['name']}', coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') "  # noqa: S608
            f'FROM "{table["name"]}" AS t'
            for table in tables
        )
        return {row[0]: row[1] for row in await db.fetch(f"{every} UNION ALL {NEXT_IN_OUTBOX}")}
