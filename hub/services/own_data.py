"""One's own data: all of it to take along, or erased."""

from __future__ import annotations

import contextlib

from hub.core import Actor, Hub
from hub.errors import Unauthenticated, Unavailable
from hub.models.own_data import Erase, Export
from hub.services import erasure, files, identities, reauthentication
from storage import bookings as booking_store
from storage import calendars as calendar_store
from storage import identities as identity_store
from storage import logins as login_store
from storage import own_data as store
from storage import paper as paper_store
from storage import users
from storage import wallet as wallets

MOST_LOGINS = 10_000


async def export(hub: Hub, actor: Actor) -> Export:
    """Answer all that the hub knows of the actor, as it was at one moment."""
    user_id = reauthentication.in_person(actor)
    async with hub.one_moment() as db:
        user = await users.find(db, user_id)
        if user is None:
            raise Unauthenticated()
        return Export(
            made_at=hub.clock.now(),
            user=user,
            logins=await login_store.list_live(db, user_id, None, MOST_LOGINS, 0),
            devices=await store.devices(db, user_id),
            identities=await identity_store.of_user(db, user_id),
            bookings=await booking_store.documents(db, await store.bookings(db, user_id)),
            booking_changes=await store.booking_changes(db, user_id),
            payments=await store.payments(db, user_id),
            refunds=await store.refunds(db, user_id),
            wallet=await wallets.balances(db, user_id),
            wallet_entries=await store.wallet_entries(db, user_id),
            papers=await paper_store.of_person(db, user_id),
            calendar=await calendar_store.feed(db, user_id),
            works_at=await store.works_at(db, user_id),
            leads=await store.leads(db, user_id),
            files=await store.files(db, user_id),
        )


async def erase(hub: Hub, actor: Actor, ask: Erase) -> None:
    """Erase the actor, who has proved once more who they are."""
    user_id = await identities.prove(hub, actor, ask.password, ask.totp_code)
    async with hub.work(actor) as work:
        await erasure.erase(work, user_id)
    # What is left for later, housekeeping does.
    with contextlib.suppress(Unavailable):
        await files.sweep(hub)
