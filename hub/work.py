"""One unit of work: change, tell, commit, push. Every write of the hub is one `async with hub.work(actor)`."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

from hub.errors import ChangedMeanwhile, InFlight, KeyReused
from hub.events import Event
from hub.events.bookings import BookingFact
from hub.events.payments import PaymentChanged
from storage import booking_letters, event_log, jobs, repeats
from storage.event_log import Told, Touched
from storage.pool import Pool
from storage.query import Db
from storage.transaction import transaction

Answer = TypeVar("Answer", bound=BaseModel)
Publish = Callable[[Sequence[Told]], None]
Revoke = Callable[[Collection[int]], None]
# Tells whether a thing still is as the caller last read it.
Expects = Callable[[BaseModel], bool]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The Idempotency-Key of a request: same key and body give the same answer and no second effect."""

    user_id: int
    route: str
    key: str
    body: bytes

    @property
    def body_hash(self) -> bytes:
        """Hash the body, so that the same key with another body is noticed."""
        return hashlib.sha256(self.body).digest()


class Repeated(Exception):
    """This request was answered before; `status` and `answer` (JSON text) are what was said."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__("repeated")
        self.status, self.answer = status, answer


def judge_repeat(known: repeats.Known, body_hash: bytes) -> Repeated:
    """Answer what was said before, or refuse the key when the body differs."""
    if known.body_hash != body_hash:
        raise KeyReused()
    return Repeated(known.status, known.answer)


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, from where, and by which ask; every change is kept with this beside it."""

    user_id: int | None = None
    # A super admin who acts as this person.
    impersonator_id: int | None = None
    address: str = ""
    # The endpoint's name, or the job's.
    asked: str = ""
    request_id: str = ""

    def json(self) -> bytes:
        """Write the author as the audit's triggers read it."""
        return orjson.dumps({name: _writable(said) for name in self.__slots__ if (said := getattr(self, name))})


def _writable(said: int | str) -> int | str:
    # Headers can hold what neither JSON nor PostgreSQL can.
    return "".join(filter(str.isprintable, said)) if isinstance(said, str) else said


NOBODY = Author()


@dataclass
class Work:
    """What a service changes and tells within one transaction."""

    db: Db
    repeat: Repeat | None = None
    author: Author = NOBODY
    expects: Expects | None = None
    _events: list[Event] = field(default_factory=list)
    _touched: list[Touched] = field(default_factory=list)
    _revoked: set[int] = field(default_factory=set)
    _answer: BaseModel | None = None
    _status: int = 200
    _has_expected: bool = False

    def tell(self, *events: Event) -> None:
        """Tell facts; they are written to the log as the last act before commit and pushed after it."""
        self._events.extend(events)

    def touch(self, *things: Touched) -> None:
        """Note what may have become free, held or taken; the public is told its state as of commit."""
        self._touched.extend(things)

    async def touch_bookings(self, *booking_ids: int) -> None:
        """Touch what these bookings' items name as they now are, before the items are changed or taken out."""
        self._touched.extend(await event_log.touched_by_bookings(self.db, booking_ids))

    async def touch_claims(self, *, session_id: int | None = None, closure_id: int | None = None) -> None:
        """Touch what a session or a closure has claimed, before it is given back or after it is claimed."""
        sessions = [] if session_id is None else [session_id]
        closures = [] if closure_id is None else [closure_id]
        self._touched.extend(await event_log.touched_by_claims(self.db, sessions, closures))

    def expect(self, thing: BaseModel) -> None:
        """Refuse to change a thing that is no longer as the caller read it; it is locked, so nobody is quicker now."""
        if self.expects is not None and not self.expects(thing):
            raise ChangedMeanwhile()
        self._has_expected = True

    def revoke(self, *user_ids: int) -> None:
        """Have every worker look at once, right after commit, at what these people's sockets may still hear."""
        self._revoked.update(user_ids)

    async def enqueue(self, kind: str, data: dict[str, Any], *, once: str | None = None, delay: float = 0) -> None:
        """Have a job done after commit, `delay` seconds later; of several with the same `once` only the first is."""
        await jobs.enqueue(self.db, kind, data, once=once, delay=delay)

    def answer(self, thing: Answer, status: int = 200) -> Answer:
        """Keep the answer beside the effect, for whoever repeats the request with the same key; returns it."""
        self._answer, self._status = thing, status
        return thing

    async def _begin(self) -> None:
        if self.repeat is None:
            return
        if not await repeats.alone(self.db, self.repeat.user_id, self.repeat.route, self.repeat.key):
            raise InFlight(retry_after=1)
        known = await repeats.known(self.db, self.repeat.user_id, self.repeat.route, self.repeat.key)
        if known is not None:
            raise judge_repeat(known, self.repeat.body_hash)

    async def _end(self) -> list[Told]:
        if self.expects is not None and not self._has_expected:
            raise NotImplementedError(f"{self.author.asked} does not look at what If-Match names")
        if self.repeat is not None and self._answer is not None:
            await repeats.keep(
                self.db,
                self.repeat.user_id,
                self.repeat.route,
                self.repeat.key,
                self.repeat.body_hash,
                self._status,
                self._answer.model_dump_json(),
            )
        facts = [event for event in self._events if isinstance(event, BookingFact)]
        told = [(room, event) for event in self._events if not isinstance(event, BookingFact) for room in event.rooms()]
        if not facts and not told and not self._touched:
            return []
        letters = [fact for fact in facts if fact.by_letter]
        if letters:
            # Before the facts are told: that locks what all of their watchers wait for.
            await booking_letters.enqueue(
                self.db, [fact.booking_id for fact in letters], [fact.name for fact in letters]
            )
        came_in = [event.thing.id for event in self._events if isinstance(event, PaymentChanged) and event.has_come_in]
        if came_in:
            await booking_letters.enqueue_receipts(self.db, came_in)
        return await event_log.tell(
            self.db,
            [room for room, _ in told],
            [event.name for _, event in told],
            [event.data_json() for _, event in told],
            [fact.booking_id for fact in facts],
            [fact.name for fact in facts],
            self._touched,
        )


@asynccontextmanager
async def work(
    pool: Pool,
    publish: Publish,
    revoke: Revoke,
    repeat: Repeat | None,
    author: Author,
    expects: Expects | None = None,
) -> AsyncIterator[Work]:
    """Open a transaction, and push what it told once it is committed; publishing can neither delay nor fail it."""
    async with transaction(pool, author.json()) as db:
        unit = Work(db, repeat, author, expects)
        await unit._begin()
        yield unit
        told = await unit._end()
    publish(told)
    if unit._revoked:
        revoke(unit._revoked)
