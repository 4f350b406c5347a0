"""Acting as a person without a login: what loads sample data, imports and live demonstrations do."""

from __future__ import annotations

from typing import Any

from hub.core import Actor, Hub
from hub.errors import NotFound
from hub.models.users import normal_email
from hub.services import accounts
from storage import users


async def as_person(hub: Hub, email: str) -> Actor | None:
    """Act as the person with this e-mail address; None when there is nobody."""
    async with hub.reading() as db:
        known = await users.credentials(db, normal_email(email))
        person = None if known is None else await users.find(db, known.id)
    if person is None:
        return None
    return Actor(person.id, roles=frozenset(person.roles), permissions=frozenset(person.permissions))


async def as_new_person(
    hub: Hub, email: str, full_name: str, *roles: str, password: str | None = None, **details: Any
) -> Actor:
    """Act as the person with this e-mail address, who gets an account if there is none."""
    actor = await as_person(hub, email)
    if actor is None:
        await accounts.create_person(
            hub, email=email, full_name=full_name, password=password, roles=roles or ("customer",), **details
        )
        actor = await as_person(hub, email)
    if actor is None:
        raise NotFound(f"The account {email} was deleted.")
    return actor
