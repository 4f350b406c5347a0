"""A guest is renamed while a booking of theirs is told: the desk ends with the new name, whoever came first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from hub.core import Actor
from hub.models.bookings import Booking, CancelBooking
from hub.models.users import ChangeMe
from hub.services import accounts, bookings
from hub.work import Told
from tests import builders
from tests.doors import ListeningHub
from tests.races.guards import rewrite
from tests.servers import waiting_for_locks

Act = Callable[[ListeningHub, Actor, Booking, Any], Awaitable[Any]]


async def books(hub: ListeningHub, guest: Actor, _known: Booking, item: Any) -> None:
    await builders.make_booking(hub, guest, item)


async def cancels(hub: ListeningHub, guest: Actor, known: Booking, _item: Any) -> None:
    await bookings.cancel(hub, guest, CancelBooking(booking_id=known.id))


async def renamed_meanwhile(hub: ListeningHub, act: Act) -> list[Told]:
    """Let somebody act while their new name is written but not yet told; answers what the desk heard, in order."""
    owner, guest = await builders.make_actor(hub, "vendor"), await builders.make_actor(hub, full_name="Ana Old")
    hall = await builders.make_venue(hub, owner)
    room = await builders.make_room(hub, owner, await builders.make_room_type(hub, owner, hall))
    known = await builders.make_booking(hub, guest, builders.slot(room, builders.tomorrow(), 1))
    hub.told.clear()
    async with hub.pool.acquire() as blocker:
        async with blocker.transaction():
            # The renaming takes this lock last, and so stands between its change and its commit.
            await blocker.execute("SELECT 1 FROM live_rooms WHERE room = $1 FOR UPDATE", f"user:{guest.user_id}")
            renaming = asyncio.create_task(accounts.change_me(hub, guest, ChangeMe(full_name="Ana New")))
            await waiting(hub, 1)
            acting = asyncio.ensure_future(act(hub, guest, known, builders.slot(room, builders.tomorrow(days=2), 1)))
            await waiting(hub, 2)
        await asyncio.gather(renaming, acting)
    return sorted((told for told in hub.told if told.room == f"desk:{hall.id}"), key=lambda told: told.version)


async def waiting(hub: ListeningHub, count: int) -> None:
    async with asyncio.timeout(20):
        while await waiting_for_locks(hub.pool) < count:  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0.01)


def last_name(heard: list[Told]) -> str:
    """Answer by what name a desk knows the guest that followed all it heard."""
    data = orjson.loads(heard[-1].data)
    name: str = data["guest"]["full_name"] if "guest" in data else data["full_name"]
    return name


@pytest.mark.parametrize("act", [books, cancels])
async def test_a_desk_ends_with_the_new_name(hub: ListeningHub, act: Act) -> None:
    heard = await renamed_meanwhile(hub, act)
    assert len(heard) == 2
    assert last_name(heard) == "Ana New"


@pytest.mark.parametrize("act", [books, cancels])
async def test_control_without_the_locks_on_guests_a_desk_ends_with_the_old_name(hub: ListeningHub, act: Act) -> None:
    await rewrite(hub.pool, "hoarding_asks", (" FOR NO KEY UPDATE", ""))
    await rewrite(hub.pool, "tell", (" FOR KEY SHARE", ""))
    assert last_name(await renamed_meanwhile(hub, act)) == "Ana Old"
