"""What came to each window, to caches, into letters and into the log, judged by who may see what of whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.core import Hub
from storage.query import Db
from tests.abuse.canaries import Canary, CanaryPeople, allowed
from tests.mailbox import letters_to

LIST = allowed()


class Neighbours(CanaryPeople):
    """People who are called as they are asked to be; every other word about them is one that nothing else has."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self._said: dict[str, Canary] = {}

    def called(self, full_name: str, values: dict[str, str]) -> str:
        """Leave the name as it is."""
        return full_name

    def seen_in(self, text: str) -> Iterator[Canary]:
        """Find whose words stand in a text, names and what was said with bookings among them."""
        yield from super().seen_in(text)
        yield from (canary for word, canary in self._said.items() if word in text)

    async def learn(self, db: Db) -> None:
        """Read from the database what people told the hub in the course of a test."""
        rows = await db.fetch(
            """
            SELECT id, kind, word FROM (
                SELECT id, unnest(ARRAY['email', 'full_name', 'phone']) AS kind,
                       unnest(ARRAY[email::text, full_name, phone]) AS word
                FROM users
                UNION ALL
                SELECT user_id, unnest(ARRAY['notes', 'guest_name', 'guest_email', 'guest_phone']),
                       unnest(ARRAY[notes, guest_details ->> 'full_name', guest_details ->> 'email',
                                    guest_details ->> 'phone'])
                FROM bookings
            ) AS said WHERE word <> ''
            """
        )
        self._said |= {row["word"]: Canary(row["id"], "", row["kind"]) for row in rows}


@dataclass
class Ties:
    """Who was what to whom in the course of a test."""

    # Each as a person with a venue; of those who work there with what they are.
    works: set[tuple[int, int, str]]
    guests: set[tuple[int, int]]
    leads: set[int]
    administrates: set[int]

    @classmethod
    async def read(cls, db: Db) -> Ties:
        """Read them from the database, and from its audit those that are no more."""
        works = await db.fetch(
            """
            SELECT owner_id AS user_id, id AS venue_id, 'owner' AS role FROM venues
            UNION SELECT user_id, venue_id, role FROM venue_staff
            UNION SELECT entity_id, venue_id, coalesce(after ->> 'role', before ->> 'role') FROM audit
            WHERE entity = 'venue_staff' AND venue_id IS NOT NULL
            """
        )
        guests = await db.fetch(
            "SELECT DISTINCT b.user_id, i.venue_id FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id"
        )
        leads = await db.fetch("SELECT DISTINCT facilitator_id FROM sessions")
        administrates = await db.fetch(
            """
            SELECT DISTINCT ur.user_id FROM user_roles AS ur
            JOIN role_permissions AS rp ON rp.role_id = ur.role_id JOIN permissions AS p ON p.id = rp.permission_id
            WHERE p.resource IN ('user', 'audit') AND p.action IN ('read', 'manage')
            """
        )
        return cls(
            {(row["user_id"], row["venue_id"], row["role"]) for row in works},
            {(row["user_id"], row["venue_id"]) for row in guests},
            {row["facilitator_id"] for row in leads},
            {row["user_id"] for row in administrates},
        )

    def may_see(self, viewers: Iterable[int], canary: Canary) -> bool:
        """Tell whether the list lets any of these people see that word of somebody else."""
        return any(
            audience in LIST.get(f"{kind}.{canary.field}", ())
            for viewer in (*viewers, None)
            for kind, audience in self._views(viewer, canary.user_id)
        )

    def _views(self, viewer: int | None, other: int) -> Iterator[tuple[str, str]]:
        """Name what the other is to a viewer, and as what the viewer looks."""
        if other in self.leads:
            yield "owner", "guest"
        if viewer in self.administrates:
            yield from (("anybody", "admin"), ("customer", "admin"))
        for user_id, venue_id, role in self.works:
            if user_id != viewer:
                continue
            if (other, venue_id) in self.guests:
                yield "customer", role
            yield from ((is_, role) for one, at, is_ in self.works if (one, at) == (other, venue_id))


@dataclass
class Onlooker:
    """What came to somebody or something, and whose words may be in it whatever the list says."""

    name: str
    people: set[int]
    heard: str
    # What somebody says themselves they may be told again.
    said: str = ""


async def leaks(people: Neighbours, onlookers: Iterable[Onlooker], log: str) -> list[str]:
    """Name every word about a person that came to where the list does not name it."""
    letters = await letters_to(people.hub)
    async with people.hub.pool.acquire() as db:
        await people.learn(db)
        ties = await Ties.read(db)
    readers = (
        Onlooker(
            f"the letter {letter.subject!r}",
            {canary.user_id for canary in people.seen_in(letter.recipient)},
            f"{letter.subject} {letter.text} {letter.html}",
        )
        for letter in letters
    )
    found = [
        f"{canary.field} of person {canary.user_id} came to {one.name}"
        for one in (*onlookers, *readers)
        for canary in _strangers(people, one)
        if not ties.may_see(one.people, canary)
    ]
    return found + [f"{canary.field} of person {canary.user_id} is in the log" for canary in people.seen_in(log)]


def _strangers(people: Neighbours, one: Onlooker) -> set[Canary]:
    said = set(people.seen_in(one.said))
    return {canary for canary in people.seen_in(one.heard) if canary.user_id not in one.people} - said
