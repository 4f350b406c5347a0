"""Somebody is renamed while a booking or a session of theirs is told: all end with what is so, whoever came first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from hub.core import Actor
from hub.models.bookings import Booking, CancelBooking
from hub.models.sessions import CancelSession, ChangeSession, NameSession, Session
from hub.models.users import ChangeMe
from hub.services import accounts, bookings, sessions
from hub.work import Told
from storage import sessions as session_store
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


async def retitles(hub: ListeningHub, owner: Actor, session_id: int) -> None:
    await sessions.change(hub, owner, ChangeSession(session_id=session_id, title="Evening flow"))


async def calls_off(hub: ListeningHub, owner: Actor, session_id: int) -> None:
    await sessions.cancel(hub, owner, CancelSession(session_id=session_id))


async def deletes(hub: ListeningHub, owner: Actor, session_id: int) -> None:
    await sessions.delete(hub, owner, NameSession(session_id=session_id))


async def watched_meanwhile(hub: ListeningHub, act: Callable[..., Awaitable[None]], is_first: bool) -> tuple[Any, Any]:
    """Let a session change before or after its leader's new name is told; answers it as watchers know it, and as it is.

    Nobody knows a session that was told to be deleted.
    """
    owner = await builders.make_actor(hub, "vendor", full_name="Ona Old")
    hall = await builders.make_venue(hub, owner)
    session = await builders.make_session(hub, owner, hall)
    hub.told.clear()
    async with hub.pool.acquire() as blocker:
        async with blocker.transaction():
            # Whoever is first stands between what they have written and their commit.
            await blocker.execute("SELECT 1 FROM live_rooms WHERE room = $1 FOR UPDATE", f"venue:{hall.id}")
            both = [
                lambda: accounts.change_me(hub, owner, ChangeMe(full_name="Ona New")),
                lambda: act(hub, owner, session.id),
            ]
            running = []
            for count, one in enumerate(both[:: -1 if is_first else 1], start=1):
                running.append(asyncio.ensure_future(one()))
                await waiting(hub, count)
        await asyncio.gather(*running)
    heard = [told for told in hub.told if told.room == f"venue:{hall.id}" and told.name.startswith("session.")]
    final = max(heard, key=lambda told: told.version)
    known = None if final.name == "session.deleted" else Session.model_validate_json(final.data)
    async with hub.reading() as db:
        return known, await session_store.find(db, session.id)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("act", [retitles, calls_off, deletes])
async def test_watchers_end_with_the_session_as_it_is(
    hub: ListeningHub, act: Callable[..., Awaitable[None]], is_first: bool
) -> None:
    known, there = await watched_meanwhile(hub, act, is_first)
    assert known == there


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("act", [retitles, calls_off])
async def test_control_without_the_lock_on_the_name_watchers_end_with_what_is_not_so(
    hub: ListeningHub, act: Callable[..., Awaitable[None]], is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(session_store, "lock_name", nothing)
    known, there = await watched_meanwhile(hub, act, is_first)
    assert known != there


async def test_control_without_the_lock_on_the_name_a_deleted_session_comes_back(
    hub: ListeningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(session_store, "lock_name", nothing)
    known, there = await watched_meanwhile(hub, deletes, is_first=True)
    assert known is not None
    assert there is None
