"""Load a thing and judge the right to it in one call; what is not yours is not found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub.core import Actor
from hub.errors import Forbidden, NotFound, NotInPerson, Unauthenticated
from hub.models.venues import Venue
from storage import access as ties
from storage import bookings as booking_store
from storage import people as people_store
from storage import users as user_store
from storage import venues as venue_store
from storage.bookings import BookingRow
from storage.claims import Claim
from storage.people import Target
from storage.query import Db
from storage.roles import Granted

SUPER_ADMIN = "super_admin"
# Everybody may choose one of these at sign-up; whoever grants another makes an admin of somebody.
CHOSEN_ROLES = frozenset({"customer", "facilitator", "vendor"})


def signed_in(actor: Actor) -> int:
    """Answer whose token this is, or ask to log in."""
    if actor.user_id is None:
        raise Unauthenticated()
    return actor.user_id


def needs(actor: Actor, permission: str) -> None:
    """Refuse whose roles do not carry this permission."""
    if not actor.is_hub:
        signed_in(actor)
    if not actor.may(permission):
        raise Forbidden()


def in_person(actor: Actor) -> None:
    """Refuse who acts for somebody else: what moves money, how one logs in, one's data as a whole."""
    if actor.impersonator_id is not None:
        raise NotInPerson()


def is_super_admin(actor: Actor) -> bool:
    """Tell whether nobody stands above the actor."""
    return actor.is_hub or SUPER_ADMIN in actor.roles


def stands_above(actor: Actor, rank: int) -> bool:
    """Tell whether the actor's rank is strictly higher; nobody grants their own."""
    return actor.is_hub or actor.rank > rank


async def person(db: Db, actor: Actor, user_id: int, permission: str) -> Target:
    """Lock and load somebody whom the actor may change: below their own rank, or anybody for a super admin."""
    needs(actor, permission)
    found = await people_store.lock(db, user_id)
    if found is None:
        raise NotFound()
    if not stands_above(actor, found.rank) and not is_super_admin(actor):
        raise Forbidden("Only whoever stands above this person can do that.")
    return found


def grant(actor: Actor, roles: Iterable[Granted]) -> None:
    """Refuse to grant what is not strictly below one's own rank, allows more than oneself, or makes an admin."""
    for role in roles:
        if not stands_above(actor, role.rank):
            raise Forbidden(f"Only whoever stands above the role {role.code} can grant it.")
        if role.code in CHOSEN_ROLES:
            continue
        needs(actor, "role:create")
        allows(actor, role.permissions)


def allows(actor: Actor, permissions: Iterable[str]) -> None:
    """Refuse to let somebody do what the actor may not do."""
    beyond = sorted(one for one in permissions if not actor.may(one))
    if beyond:
        raise Forbidden(f"You may not do this yourself: {', '.join(beyond)}.")


def take(actor: Actor, roles: Iterable[Granted]) -> None:
    """Refuse to take away a role that is not strictly below one's own rank; a super admin takes any."""
    for role in roles:
        if not stands_above(actor, role.rank) and not is_super_admin(actor):
            raise Forbidden(f"Only whoever stands above the role {role.code} can take it away.")


async def staff(db: Db, actor: Actor, venue_id: int, *roles: str) -> Venue:
    """Lock and load a venue whose staff the actor may change as far as these roles; its owner alone makes managers."""
    venue = await manage_venue(db, actor, venue_id, "venue:update")
    by_role = actor.may("venue:update")
    if "manager" in roles and not by_role and await ties.tie(db, venue_id, signed_in(actor)) != "owner":
        raise Forbidden("Only the venue's owner decides who manages it.")
    return venue


async def may_still_invite(db: Db, inviter_id: int, venue_id: int, role: str) -> bool:
    """Tell whether somebody who has invited to a venue's staff could still do so."""
    tie = await ties.tie(db, venue_id, inviter_id)
    if tie == "owner" or (tie == "manager" and role == "desk"):
        return True
    inviter = await user_store.find(db, inviter_id)
    return inviter is not None and not {"venue:update", "venue:manage"}.isdisjoint(inviter.permissions)


async def works_at(db: Db, actor: Actor, venue_id: int) -> bool:
    """Tell whether the actor may see this venue's desk: its owner, its staff, or who may read all bookings."""
    if actor.is_hub:
        return True
    if actor.user_id is None:
        return False
    return await ties.tie(db, venue_id, actor.user_id) is not None or actor.may("booking:read")


async def serves_at(db: Db, actor: Actor, venue_id: int) -> bool:
    """Tell whether the actor may act for this venue's desk: its owner, its staff, or who may change all bookings.

    Whoever may only read all bookings sees what a desk sees, and does nothing there.
    """
    if actor.is_hub or actor.may("booking:update"):
        return True
    return actor.user_id is not None and await ties.tie(db, venue_id, actor.user_id) is not None


async def serves_at_all(db: Db, actor: Actor, venue_ids: Sequence[int]) -> bool:
    """Tell whether the actor may act for the desk of every one of these venues."""
    return all([await serves_at(db, actor, venue_id) for venue_id in venue_ids])


async def runs_all(db: Db, actor: Actor, venue_ids: Sequence[int]) -> bool:
    """Tell whether the actor runs every one of these venues: as its owner or manager."""
    user_id = signed_in(actor)
    return all([await ties.tie(db, venue_id, user_id) in ("owner", "manager") for venue_id in venue_ids])


async def venue(db: Db, actor: Actor, venue_id: int) -> Venue:
    """Load a venue that the actor may see; one that is not active is seen only by those who work there."""
    found = await venue_store.find(db, venue_id)
    if found is None or not (found.is_active or await works_at(db, actor, venue_id)):
        raise NotFound()
    return found


async def desk(db: Db, actor: Actor, venue_id: int) -> Venue:
    """Load a venue whose desk the actor may see."""
    if not await works_at(db, actor, venue_id):
        raise NotFound()
    found = await venue_store.find(db, venue_id)
    if found is None:
        raise NotFound()
    return found


async def manage_venue(db: Db, actor: Actor, venue_id: int, permission: str) -> Venue:
    """Lock and load a venue whose inventory the actor may change: owner, manager, or a role with the permission."""
    if not actor.is_hub:
        signed_in(actor)
    await ties.lock_venue(db, venue_id)
    return await managed_venue(db, actor, venue_id, permission)


async def managed_venue(db: Db, actor: Actor, venue_id: int, permission: str) -> Venue:
    """Load a venue that the actor runs: its owner, a manager, or a role with the permission; the desk may not."""
    user_id = signed_in(actor) if not actor.is_hub else 0
    tie = await ties.tie(db, venue_id, user_id)
    if tie not in ("owner", "manager") and not actor.may(permission):
        raise Forbidden() if tie == "desk" else NotFound()
    found = await venue_store.find(db, venue_id)
    if found is None:
        raise NotFound()
    return found


async def workplace(db: Db, actor: Actor, venue_id: int, permission: str) -> tuple[Venue, bool]:
    """Lock and load a venue one works at, or a role reaches; tells whether one also manages it."""
    await ties.lock_venue(db, venue_id)
    tie = None if actor.is_hub else await ties.tie(db, venue_id, signed_in(actor))
    found = await venue_store.find(db, venue_id)
    if found is None or not (tie or actor.may(permission)):
        raise NotFound()
    return found, tie in ("owner", "manager") or actor.may(permission)


async def works_at_all(db: Db, actor: Actor, venue_ids: list[int]) -> bool:
    """Tell whether the actor works at every one of these venues; a booking of several needs all of them."""
    if actor.user_id is None and not actor.is_hub:
        return False
    return all([await works_at(db, actor, venue_id) for venue_id in venue_ids])


async def see_booking(db: Db, actor: Actor, booking_id: int) -> int | None:
    """Judge who may read a booking: its customer, and the staff of all its venues, whole (None); a desk its part."""
    found = await booking_store.find(db, booking_id)
    if found is None:
        raise NotFound()
    # Whoever booked for a guest sees it by their desk, and no longer than that.
    if actor.is_hub or actor.may("booking:read") or (actor.user_id is not None and actor.user_id == found.user_id):
        return None
    venues = await ties.venues_of_booking(db, booking_id)
    desks = [venue_id for venue_id in venues if await works_at(db, actor, venue_id)]
    if not desks:
        raise NotFound()
    return None if 1 < len(desks) == len(venues) else desks[0]


async def booking(
    db: Db, actor: Actor, booking_id: int, *, staff: bool = False, also: Sequence[Claim] = ()
) -> BookingRow:
    """Lock a booking with all it claims (and `also` is about to), for its customer or, `staff`, its venues' staff."""
    await changing(db, actor, booking_id, staff=staff)
    locked = await booking_store.lock(db, booking_id, also)
    if locked is None:
        raise NotFound()
    return locked


async def changing(db: Db, actor: Actor, booking_id: int, *, staff: bool = False) -> BookingRow:
    """Read a booking that the actor may change, without locking it."""
    found = await booking_store.find(db, booking_id)
    if found is None:
        raise NotFound()
    is_theirs = actor.user_id is not None and actor.user_id == found.user_id
    venues = await ties.venues_of_booking(db, booking_id)
    is_staff = await serves_at_all(db, actor, venues)
    if not is_theirs and not is_staff:
        if not staff and await works_at_any(db, actor, venues):
            raise Forbidden("This booking also has items at other venues; only its customer can change it.")
        raise NotFound()
    if staff and not is_staff:
        raise Forbidden("Only the venue's staff can do this.")
    return found


async def knows_guest(db: Db, actor: Actor, user_id: int, venue_ids: Sequence[int]) -> bool:
    """Tell whether a desk may book for this account: one it knows already, so that none is tried for its name."""
    if await user_store.find(db, user_id) is None:
        return False
    return actor.may("booking:update") or await booking_store.is_known_at(db, user_id, venue_ids)


def not_staff() -> Forbidden:
    """Refuse to act on behalf of somebody without working at every venue involved."""
    return Forbidden("Only the staff of every venue in the basket can book for somebody else.")


async def works_at_any(db: Db, actor: Actor, venue_ids: list[int]) -> bool:
    """Tell whether the actor works at one of these venues."""
    return any([await works_at(db, actor, venue_id) for venue_id in venue_ids])
