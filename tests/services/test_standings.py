"""Who asks is looked up together with all who ask at the same moment, and yet anew for every ask."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from hub.errors import Unauthenticated
from storage import standings
from storage.pool import as_owner
from tests.doors import ListeningHub
from tests.identities import actor_of, registered, run
from tests.races import guards
from tests.races.checking import fetched


async def test_people_who_ask_at_once_each_get_their_own_rights(hub: ListeningHub) -> None:
    roles = ["customer", "vendor", "customer", "facilitator"]
    given = [await registered(hub, email=f"{place}@example.org", role=role) for place, role in enumerate(roles)]
    found = await asyncio.gather(*(actor_of(hub, one) for one in given * 2))
    assert [one.user_id for one in found] == [one.user.id for one in given] * 2
    assert [sorted(one.roles) for one in found] == [[role] for role in roles] * 2
    assert found[:4] == [await actor_of(hub, one) for one in given]
    assert found[0].permissions == found[2].permissions != found[1].permissions


async def test_whose_login_has_ended_is_refused_among_others_who_ask_at_once(hub: ListeningHub) -> None:
    ended, banned, good = [await registered(hub, email=f"{name}@example.org") for name in ("a", "b", "c")]
    await run(hub, "UPDATE logins SET revoked_at = now() WHERE user_id = $1", ended.user.id)
    await run(hub, "UPDATE users SET status = 'suspended' WHERE id = $1", banned.user.id)
    found = await asyncio.gather(*(actor_of(hub, one) for one in (ended, good, banned, good)), return_exceptions=True)
    assert [isinstance(one, Unauthenticated) for one in found] == [True, False, True, False]
    await run(hub, "UPDATE user_roles SET role_id = (SELECT id FROM roles WHERE code = 'vendor')")
    assert (await actor_of(hub, good)).roles == {"vendor"}
    with pytest.raises(Unauthenticated):
        await actor_of(hub, ended)


@pytest.mark.parametrize("people", [0, 5])
@pytest.mark.parametrize("guarded", [True, False], ids=["lateral", "joined"])
async def test_who_asks_is_looked_up_by_index_though_the_plan_is_that_of_a_new_hub(
    hub: ListeningHub, guarded: bool, people: int
) -> None:
    if not guarded:
        await guards.rewrite(hub.pool, "standings_of", ("OFFSET 0) AS u", ") AS u"), ("OFFSET 0) AS l", ") AS l"))
    more = """
        WITH u AS (
            INSERT INTO users (email, full_name)
            SELECT $1::text || n || '@example.org', 'P' FROM generate_series(1, $2) AS n RETURNING id
        )
        INSERT INTO logins (id, user_id, expires_at)
        SELECT gen_random_uuid(), u.id, clock_timestamp() + interval '1 day' FROM u RETURNING user_id, id
    """
    async with as_owner(hub.pool) as db:
        await db.fetch(more, "few", people)
        await db.execute("ANALYZE users, logins")
        nobody = await standings.find_all(db, [(10**9, UUID(int=1))])
        someone = (await db.fetch(more, "many", 500))[0]
        async with db.transaction():
            before = await fetched(db, "users", "logins")
            found = await standings.find_all(db, [(someone["user_id"], someone["id"])])
            read = await fetched(db, "users", "logins") - before
    assert nobody == [None]
    assert found[0] is not None
    assert (read.total() < 20) is guarded
