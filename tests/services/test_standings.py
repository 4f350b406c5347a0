"""Who asks is looked up together with all who ask at the same moment, and yet anew for every ask."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import Unauthenticated
from tests.doors import ListeningHub
from tests.identities import actor_of, registered, run


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
