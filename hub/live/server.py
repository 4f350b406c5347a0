"""The live part of one worker: its sockets, who they are, and what reaches them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import orjson
from aiohttp import web

from hub.errors import HubError
from hub.live import leaving
from hub.live.connection import MOST_ASKS, Answer, Ask, Connection, Doors, Refused
from hub.live.fanout import Fanout
from hub.live.hardening import SocketServer
from hub.live.listener import Listener
from hub.live.publisher import Publisher
from hub.live.roll import Roll
from hub.live.seats import Seat
from hub.live.stock import StockServer
from hub.live.wire import Origin, Wire
from hub.settings import Settings
from storage import event_log
from storage.pool import Pool
from storage.transaction import reading

log = logging.getLogger("hub.live")

# Seconds between two looks at who a socket belongs to, between two looks at whose turn it is, and before what failed
# starts again.
RECHECK_SECONDS = 30.0
_CHECK_TICK = 0.25
_TICK = 1.0
_CHECKS_AT_ONCE = 8
# Seconds after which a check that the database did not answer is tried again.
_CHECK_AGAIN_SECONDS = 2.0
# Seconds over which all sockets are looked at when orders may have been missed.
_CHECK_ALL_SECONDS = 2.0
# Seconds for which it is remembered that somebody's sockets were to be looked at: longer than any look takes.
_REMEMBER_DROPS = 60.0
_SECONDS_TO_STOP = 2.0


class Live:
    """Sockets in, events out: one of these a worker."""

    def __init__(self, settings: Settings, pool: Pool, epoch: str) -> None:
        self.epoch = epoch
        self.fanout = Fanout(pool, epoch)
        assert settings.redis_url
        self.publisher = Publisher(settings.redis_url, pool, epoch, self.fanout.deliver)
        self.listener = Listener(
            settings.redis_url, epoch, self.fanout.hear, self._line_changed, self.publisher.whistle, self._obey
        )
        self.fanout.listener = self.listener
        path: type[SocketServer | StockServer] = StockServer if settings.socket_path == "stock" else SocketServer
        self.sockets = path(self, settings.allowed_origins, settings.rate_limits)
        self.roll = Roll(settings.redis_url, epoch, is_limited=settings.rate_limits)
        self.doors: Doors | None = None
        # This worker stops: whoever is here is sent elsewhere.
        self.is_leaving = False
        self._connections: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()
        # Whoever may have lost a right is looked at at once, and does not wait behind everybody else.
        self._urgent = asyncio.Semaphore(_CHECKS_AT_ONCE)
        # When whose sockets were last to be looked at: a look that began before may have seen the rights of before.
        self._dropped: dict[int, float] = {}

    @classmethod
    async def open(cls, settings: Settings, pool: Pool) -> Live:
        """Make the live part of a worker on a migrated database."""
        async with reading(pool) as db:
            return cls(settings, pool, await event_log.epoch(db))

    def attach(self, app: web.Application) -> None:
        """Serve the sockets under /socket.io/."""
        self.sockets.attach(app)

        async def send_away(_: web.Application) -> None:
            # Before the server waits for what is open: these would stay for ever.
            await self.send_away(0.0)

        async def part(_: web.Request, response: web.StreamResponse) -> None:
            if self.is_leaving and response.status != 101:
                response.force_close()
                response.headers["Connection"] = "close"

        app.on_shutdown.append(send_away)
        app.on_response_prepare.append(part)

    async def send_away(self, seconds: float) -> None:
        """Send every client away to another worker, not all at once but within so many seconds; nobody comes again."""
        self.is_leaving = True
        await leaving.send_away(self._connections.values(), seconds)
        # What was not let in yet, or came by a connection that was open already.
        await self.sockets.send_away()

    @property
    def is_redis_up(self) -> bool:
        """Tell whether events come and go by Redis; while they do not, the log is polled."""
        return self.listener.up and self.publisher.up

    @property
    def connections(self) -> Iterator[Connection]:
        """Go through who is connected to this worker."""
        return iter(list(self._connections.values()))

    async def start(self) -> None:
        """Start sending, hearing, and looking after the connections."""
        self._keep_running("publisher", self.publisher.run)
        self._keep_running("listener", self.listener.run)
        self._keep_running("fanout", lambda: self.fanout.run(lambda: self.is_redis_up))
        self._keep_running("checks", self._keep_checking)
        self._keep_running("pings", self.sockets.keep_pinging)
        self._keep_running("roll", self.roll.run)

    async def stop(self) -> None:
        """Send every client away to another worker, finish what was asked, and end within a few seconds."""
        await self.send_away(0.0)
        if self._answering:
            await asyncio.wait(self._answering, timeout=_SECONDS_TO_STOP)
        tasks = {*self._tasks, *self._answering}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.sockets.shutdown(), _SECONDS_TO_STOP)
        await self.publisher.close()
        await self.listener.close()
        await self.roll.close()

    def revoke(self, user_ids: Collection[int]) -> None:
        """Have every worker look at once at these people's sockets; answers at once and never fails."""
        if not user_ids:
            return
        self.drop(user_ids)
        self.publisher.order(self.listener.orders, orjson.dumps(sorted(user_ids)).decode())

    def drop(self, user_ids: Collection[int]) -> None:
        """Look at once whether these people's sockets here may stay: a right or a login was taken away."""
        dropped = dict.fromkeys(user_ids, time.monotonic())
        self._dropped |= dropped
        for connection in self._connections.values():
            if connection.user_id in dropped or connection.impersonator_id in dropped:
                self._start(self._check(connection, self._urgent), self._tasks)

    async def settle(self, connection: Connection, user_id: int | None) -> None:
        """Count a connection as a guest's or a person's; refuse it when there are too many."""
        if user_id is not None:
            await self.roll.enter(user_id, connection.wire.id)
        connection.wire.settle(user_id)

    def check_again(self, connection: Connection, began: float, seconds: float) -> None:
        """Look again at a connection after so many seconds, or at once if it was to be looked at since it began."""
        connection.check_at = time.monotonic() + seconds
        if any(self._dropped.get(one or 0, -1.0) >= began for one in (connection.user_id, connection.impersonator_id)):
            self._start(self._check(connection, self._urgent), self._tasks)

    async def enter(self, connection: Connection, room: str) -> Seat:
        """Seat a connection in a room; the seat keeps its events until it begins."""
        connection.seats[room] = seat = await self.fanout.join(room, connection)
        if connection.is_gone:
            self.leave(connection, room)
        return seat

    def leave(self, connection: Connection, room: str) -> None:
        """Take a connection out of a room."""
        self.fanout.leave(room, connection)
        connection.seats.pop(room, None)

    def origin(self, request: web.Request) -> Origin:
        """Tell where a socket comes from."""
        return Origin("", request.remote or "", "") if self.doors is None else self.doors.origin(request)

    def welcome(self, wire: Wire) -> Connection:
        """Let in a client that names nobody."""
        connection, doors = Connection(wire), self._opened_doors()
        doors.welcome(connection)
        self._connections[wire.id] = connection
        return connection

    async def connected(self, wire: Wire, token: Any) -> Connection:
        """Let a client in by its token, if the doors do."""
        connection, doors = Connection(wire), self._opened_doors()
        try:
            await doors.arrive(connection, token)
        except BaseException:
            self.roll.leave(wire.id)
            raise
        self._connections[wire.id] = connection
        return connection

    def asked(self, connection: Connection, name: str, arguments: list[Any], number: str) -> None:
        """Carry out an ask, or queue it: a connection's asks are carried out one after the other, in their order."""
        assert self.doors is not None
        if not connection.is_answering:
            answer = self.doors.answer_at_once(connection, name, arguments)
            if answer is not None:
                self._reply(connection, number, answer)
                return
            connection.is_answering = True
            self._start(self._answer(connection), self._answering)
        connection.asks.append(Ask(name, arguments, number))
        if len(connection.asks) >= MOST_ASKS and not connection.is_paused:
            connection.is_paused = True
            connection.wire.pause()

    def gone(self, connection: Connection) -> None:
        """Forget a client; what it is being answered is still carried out."""
        if self._connections.pop(connection.wire.id, None) is None:
            return
        connection.is_gone = True
        self.roll.leave(connection.wire.id)
        connection.asks.clear()
        for room in list(connection.seats):
            self.leave(connection, room)

    async def _answer(self, connection: Connection) -> None:
        assert self.doors is not None
        try:
            while connection.asks:
                ask = connection.asks.popleft()
                answer = await self.doors.answer(connection, ask.name, ask.arguments)
                if connection.is_gone:
                    return
                self._reply(connection, ask.number, answer)
                if connection.is_paused and not connection.asks:
                    connection.is_paused = False
                    connection.wire.resume()
        except Exception:
            log.exception("an ask failed")
            connection.cut("met a fault of the hub")
        finally:
            connection.is_answering = False

    def _reply(self, connection: Connection, number: str, answer: Answer) -> None:
        if number:
            connection.wire.answer(number, answer.text)
        if answer.then is not None:
            answer.then()

    def _opened_doors(self) -> Doors:
        if self.doors is None:
            raise Refused("The hub is still starting; try again in a moment.")
        return self.doors

    async def _keep_checking(self) -> None:
        turns = asyncio.Semaphore(_CHECKS_AT_ONCE)
        while True:
            await asyncio.sleep(_CHECK_TICK)
            now = time.monotonic()
            self._dropped = {who: at for who, at in self._dropped.items() if now - at < _REMEMBER_DROPS}
            due = [one for one in self._connections.values() if one.user_id is not None and one.check_at <= now]
            await asyncio.gather(*(self._check(one, turns) for one in due))

    async def _check(self, connection: Connection, turns: asyncio.Semaphore) -> None:
        async with turns:
            connection.check_at = time.monotonic() + RECHECK_SECONDS
            try:
                if self.doors is not None and not connection.is_gone:
                    await self.doors.check(connection)
            except HubError as error:
                connection.check_at = time.monotonic() + _CHECK_AGAIN_SECONDS
                log.info("a connection cannot be checked now: %s", error)
            except Exception:
                log.exception("a connection could not be checked")

    def _obey(self, order: bytes) -> None:
        try:
            user_ids = orjson.loads(order)
        except ValueError:
            return
        if isinstance(user_ids, list):
            self.drop([user_id for user_id in user_ids if isinstance(user_id, int)])

    def _line_changed(self) -> None:
        self.fanout.look_soon()
        if not self.listener.up:
            return
        # Whose sockets were to be looked at while the line was broken, nobody has said.
        now = time.monotonic()
        for connection in self._connections.values():
            connection.check_at = min(connection.check_at, now + random.uniform(0, _CHECK_ALL_SECONDS))  # noqa: S311

    def _keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def keep() -> None:
            while True:
                try:
                    await work()
                except Exception:
                    log.exception("the %s failed and starts again", name)
                await asyncio.sleep(_TICK)

        self._start(keep(), self._tasks)

    def _start(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
