"""Connect, watch, resume: who a socket speaks for, and which live rooms it may enter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
import structlog
from aiohttp import web
from pydantic import ValidationError

from handlers import over_socket
from handlers.calling import number
from handlers.documents import refuse_strange, write
from handlers.endpoint import SIGNED_IN
from handlers.limits import READING, Limits, pace_of
from handlers.over_http import address_of
from handlers.problems import Fault, invalid
from handlers.table import table
from handlers.watching import AT_ONCE, COMMANDS, done
from hub.core import Actor, Hub
from hub.errors import Forbidden, HubError, Malformed, NotFound, TooManyRequests, Unauthenticated
from hub.live import replay
from hub.live.connection import Answer, Connection, Refused
from hub.live.replay import Snapshot, Told
from hub.live.server import RECHECK_SECONDS, Live
from hub.live.wire import Origin
from hub.models.base import Ask
from hub.models.live import Left, Renewed, Since
from hub.services import access, accounts, audit
from hub.services.attempts import network
from hub.services.totp import SecondFactorRequired

MOST_ROOMS = 50
# Seconds a client whose token ran out may take to bring a fresh one; until then it hears nothing private.
SECONDS_TO_RENEW = 30.0
# Seconds for which a command believes what was last seen of somebody's rights, should no word of a change arrive.
_SECONDS_TO_BELIEVE = 2.0
_LONGEST_DEVICE = 200
_PRIVATE = ("desk:", "user:")

log = structlog.get_logger()


class TokenExpired(Unauthenticated):
    """The access token has run out; bring a fresh one by me.renew within 30 seconds."""

    code = "token_expired"


class TooManyRooms(TooManyRequests):
    """One connection watches at most 50 rooms; leave one first."""

    code = "too_many_rooms"


@dataclass(slots=True)
class Caller:
    """Who a connection speaks for; without a token nobody, which is enough to watch venues."""

    actor: Actor
    token: str | None = None
    ended_at: float | None = None
    looked_at: float = 0.0


class SocketDoors:
    """Stands between the sockets and the hub."""

    def __init__(self, hub: Hub, live: Live, limits: Limits) -> None:
        self.hub, self.live, self.limits = hub, live, limits
        # The rooms that somebody is just reading, for all who come meanwhile.
        self.reading: dict[str, asyncio.Event] = {}
        live.doors = self

    def origin(self, request: web.Request) -> Origin:
        """Tell where a socket comes from, by the same rule as over HTTP."""
        address = address_of(request)
        return Origin(address, network(address), request.headers.get("User-Agent", "")[:_LONGEST_DEVICE])

    def welcome(self, connection: Connection) -> None:
        """Let a client in as a guest."""
        try:
            connection.wire.settle(None)
        except HubError as error:
            raise _not_let_in(error) from error
        self._now_is(connection, _guest(connection), None, time.monotonic())

    async def arrive(self, connection: Connection, token: Any) -> None:
        """Let a client in as the bearer of a good access token."""
        began = time.monotonic()
        try:
            actor = await self._actor_of(connection, token)
            await self.live.settle(connection, actor.user_id)
        except HubError as error:
            raise _not_let_in(error) from error
        self._now_is(connection, actor, token, began)

    def answer_at_once(self, connection: Connection, name: str, arguments: list[Any]) -> Answer | None:
        """Carry out a command that waits for nothing, unless its asker has to be looked at or counted first."""
        found = AT_ONCE.get(name)
        if found is None or self.limits.on or len(arguments) != 1 or self._is_to_be_looked_at(connection.caller):
            return None
        return found(self, connection, arguments[0])

    async def answer(self, connection: Connection, name: str, arguments: list[Any]) -> Answer:
        """Carry out a command of the live rooms, or else one of the endpoint table."""
        payload = arguments[0] if arguments else None
        if len(arguments) > 1:
            return _refused(Malformed("Send one object with all fields."), name)
        found = COMMANDS.get(name)
        try:
            await self._look_if_long_ago(connection)
            await self._count(connection, name)
            if found is None:
                return Answer(orjson.dumps(await over_socket.answer(self.hub, connection.caller.actor, name, payload)))
            if found.may == SIGNED_IN:
                access.signed_in(connection.caller.actor)
            return await found.carry_out(self, connection, _read(found.ask, payload))
        except HubError as error:
            if found is not None and found.may == SIGNED_IN and error.status in (403, 404):
                await self._note_denied(connection, name, payload, error)
            return _refused(error, name)
        except Exception:
            log.exception("fault", command=name)
            return _refused(Fault(), name)

    async def _note_denied(self, connection: Connection, name: str, payload: Any, refusal: HubError) -> None:
        actor = replace(connection.caller.actor, asked=name)
        if actor.user_id is not None:
            venue_id = number(payload.get("venue_id")) if isinstance(payload, dict) else None
            await audit.denied(self.hub, actor, "desk", venue_id, refusal)

    async def _count(self, connection: Connection, name: str) -> None:
        endpoint = table().get(name)
        pace = READING if endpoint is None else pace_of(endpoint)
        actor = connection.caller.actor
        await self.limits.by_address(pace, actor.address)
        await self.limits.by_person(pace, actor.user_id)

    async def _look_if_long_ago(self, connection: Connection) -> None:
        if self._is_to_be_looked_at(connection.caller):
            await self.check(connection)

    def _is_to_be_looked_at(self, caller: Caller) -> bool:
        if caller.actor.user_id is None:
            return False
        return time.monotonic() - caller.looked_at > _SECONDS_TO_BELIEVE or self._is_expired(caller.actor)

    async def check(self, connection: Connection) -> None:
        """See whether the token still is good and every desk still theirs; what is not is left at once."""
        caller: Caller = connection.caller
        began = time.monotonic()
        if caller.ended_at is not None:
            if began - caller.ended_at >= SECONDS_TO_RENEW:
                connection.cut("has not renewed its token")
            else:
                connection.check_at = caller.ended_at + SECONDS_TO_RENEW
            return
        if self._is_expired(caller.actor):
            self._expire(connection)
            return
        try:
            actor = await self._actor_of(connection, caller.token)
        except (Unauthenticated, SecondFactorRequired) as error:
            if connection.caller is caller:
                self._revoke(connection, error)
            return
        if connection.caller is not caller:
            # Somebody looked later and was quicker.
            return
        self._now_is(connection, actor, caller.token, began)
        for room in [room for room in connection.seats if room.startswith("desk:")]:
            venue_id = int(room.partition(":")[2])
            try:
                async with self.hub.reading() as db:
                    await access.desk(db, actor, venue_id)
            except NotFound:
                # Another look may have been quicker.
                if room in connection.seats:
                    self.live.leave(connection, room)
                    connection.tell("room.closed", {"room": room})

    async def watch(
        self,
        connection: Connection,
        room: str,
        about: int,
        snapshot: Snapshot,
        ask: Since,
        judge: Callable[[], Awaitable[Any]] | None = None,
        *,
        is_public: bool = False,
    ) -> Answer:
        """Enter a room, and answer with its snapshot or what happened since; all that comes later follows it.

        With the snapshot of a public room others may begin, too.
        """
        told, begin = await self.enter(connection, room, about, snapshot, ask, judge)
        answer = done(told.json(), begin)
        if is_public and ask.since is None and (seat := connection.seats.get(room)) is not None:
            self.live.fanout.keep(room, seat, told.version, answer.text)
        return answer

    def begin_at_once(self, connection: Connection, room: str) -> Answer | None:
        """Enter a public room as others have a moment ago; None when it has to be read, or refused."""
        begun = None if len(connection.seats) >= MOST_ROOMS else self.live.fanout.join_at_once(room, connection)
        if begun is None:
            return None
        seat, beginning = begun
        connection.seats[room] = seat
        return Answer(beginning.text, partial(seat.begin, beginning.version))

    async def enter(
        self,
        connection: Connection,
        room: str,
        about: int,
        snapshot: Snapshot,
        ask: Since,
        judge: Callable[[], Awaitable[Any]] | None = None,
    ) -> tuple[Told, Callable[[], None] | None]:
        """Take a seat in a room; tells what is not known yet, and how the seat begins once that is on its way.

        A room that is not for everybody is judged, and judged again once the seat is taken: whatever right is lost from
        then on takes the seat away. While not all is told there is no seat: the client asks again from there.
        """
        if judge is not None:
            await judge()
        if room not in connection.seats and len(connection.seats) >= MOST_ROOMS:
            raise TooManyRooms()
        # First seated, then read: an event in between is kept by the seat, and what the answer tells is not told twice.
        seat = await self.live.enter(connection, room)
        try:
            if judge is not None:
                await judge()
            told = await replay.tell(self.hub.pool, room, about, snapshot, ask.since, ask.epoch)
        except BaseException:
            self.live.leave(connection, room)
            raise
        if room.startswith(_PRIVATE) and room not in connection.seats:
            # The right was lost while this was being read.
            self.live.leave(connection, room)
            raise NotFound() if connection.caller.ended_at is None else Unauthenticated()
        if told.more:
            # Not all of it was told yet, so the live events would leave a gap.
            self.live.leave(connection, room)
            return told, None
        return told, lambda: seat.begin(told.version)

    def unwatch(self, connection: Connection, room: str) -> Answer:
        """Leave a room."""
        self.live.leave(connection, room)
        return done(write(Left(room=room)))

    async def renew(self, connection: Connection, token: str) -> Answer:
        """Let a connection go on with a fresh token of the same person."""
        began = time.monotonic()
        actor = await self._actor_of(connection, token)
        if connection.user_id not in (None, actor.user_id):
            raise Forbidden("This token is somebody else's; connect anew.")
        await self.live.settle(connection, actor.user_id)
        if connection.is_gone:
            self.live.roll.leave(connection.wire.id)
        self._now_is(connection, actor, token, began)
        assert actor.user_id is not None
        return done(write(Renewed(user_id=actor.user_id, expires_at=actor.token_expires_at)))

    async def _actor_of(self, connection: Connection, token: Any) -> Actor:
        if not isinstance(token, str):
            raise Unauthenticated()
        origin = connection.wire.origin
        return await accounts.actor_of(self.hub, token, address=origin.address, device=origin.device)

    def _is_expired(self, actor: Actor) -> bool:
        return actor.token_expires_at is not None and actor.token_expires_at <= self.hub.clock.now()

    def _now_is(self, connection: Connection, actor: Actor, token: str | None, began: float) -> None:
        connection.caller = Caller(actor, token, looked_at=began)
        connection.user_id, connection.impersonator_id = actor.user_id, actor.impersonator_id
        seconds = RECHECK_SECONDS
        if actor.token_expires_at is not None:
            seconds = min(seconds, (actor.token_expires_at - self.hub.clock.now()).total_seconds())
        self.live.check_again(connection, began, max(seconds, 0.0))

    def _expire(self, connection: Connection) -> None:
        """Take everything private away until a fresh token comes, and let the client know that it may bring one."""
        self._leave_private(connection)
        now = time.monotonic()
        connection.caller = Caller(_guest(connection), None, ended_at=now)
        connection.check_at = now + SECONDS_TO_RENEW
        connection.tell("auth_expired", over_socket.refused(TokenExpired(), "auth_expired")["error"])

    def _revoke(self, connection: Connection, error: HubError) -> None:
        """Take everything private away, say so, and end the connection."""
        self._leave_private(connection)
        connection.caller = Caller(_guest(connection), None, ended_at=time.monotonic())
        connection.tell("auth_revoked", over_socket.refused(error, "auth_revoked")["error"])
        connection.leave_soon("was revoked")

    def _leave_private(self, connection: Connection) -> None:
        for room in list(connection.seats):
            if room.startswith(_PRIVATE):
                self.live.leave(connection, room)


def _guest(connection: Connection) -> Actor:
    return Actor(address=connection.wire.origin.address, device=connection.wire.origin.device)


def _not_let_in(error: HubError) -> Refused:
    return Refused(error.sentence, over_socket.refused(error, "connect")["error"])


def _read(model: type[Ask], payload: Any) -> Ask:
    asked = {} if payload is None else payload
    if not isinstance(asked, dict):
        raise Malformed("Send one object with all fields.")
    refuse_strange(asked)
    try:
        return model.model_validate_json(orjson.dumps(asked), strict=True)
    except ValidationError as error:
        raise invalid(error, asked) from error


def _refused(error: HubError, name: str) -> Answer:
    return Answer(orjson.dumps(over_socket.refused(error, name)))
