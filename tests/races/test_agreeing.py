"""Two who agree on the same at the same moment: one of them waits for the other, and never both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.errors import HubError
from hub.models.bookings import PlaceHold
from hub.services import holds, placing
from hub.services.quotes import Wish
from storage import quotes
from storage.pool import as_owner
from storage.query import Db
from storage.quotes import Content
from storage.transaction import transaction
from tests.doors import ListeningHub
from tests.races import stage
from tests.races.checking import deadlocks


async def lock(db: Db, room_id: int) -> None:
    await db.execute("SELECT 1 FROM rooms WHERE id = $1 FOR NO KEY UPDATE", room_id)


async def waits_for_a_lock(hub: ListeningHub) -> bool:
    async with as_owner(hub.pool) as db:
        return bool(
            await db.fetchval(
                """
                SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                               WHERE datname = current_database() AND wait_event_type = 'Lock')
                """
            )
        )


@pytest.mark.parametrize("guarded", [True, False], ids=["kept last", "kept first"])
async def test_whoever_moves_to_a_slot_is_not_waited_for_by_whom_they_wait_for(
    hubs: list[ListeningHub], guarded: bool
) -> None:
    hub = hubs[0]
    house, (who,) = await stage.house(hub.pool, halls=1), await stage.people(hub.pool, 1)
    ask = PlaceHold.model_validate({"items": [stage.slot(house.halls[0], 0)]})
    content = (await placing.made(hub, who, ask.items, Wish(who.user_id), by_staff=False)).content
    assert content is not None

    async def placed() -> str:
        return (await holds.place(hub, who, ask)).status

    async def keeping_first() -> str:
        async with transaction(hub.pool) as db:
            await quotes.keep(db, content)
            await lock(db, house.halls[0])
        return "held"

    before = await deadlocks(hub.pool)
    outcomes = await asyncio.gather(
        *meeting(hub, house.halls[0], content, placed if guarded else keeping_first), return_exceptions=True
    )
    assert [one for one in outcomes if isinstance(one, Exception) and not isinstance(one, HubError)] == []
    assert (await deadlocks(hub.pool) == before) is guarded
    assert ("held" in outcomes and None in outcomes) is guarded


def meeting(
    hub: ListeningHub, room_id: int, content: Content, other: Callable[[], Awaitable[str]]
) -> tuple[Awaitable[None], Awaitable[str]]:
    """Have one lock a room as who moves there does, and agree on what the other, who waits for the room, wants too."""
    locked = asyncio.Event()

    async def move() -> None:
        async with transaction(hub.pool) as db:
            await lock(db, room_id)
            locked.set()
            for _ in range(500):
                if await waits_for_a_lock(hub):
                    break
                await asyncio.sleep(0.01)
            await quotes.keep(db, content)

    async def come() -> str:
        await locked.wait()
        return await other()

    return move(), come()
