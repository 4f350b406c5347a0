"""How often somebody may ask: by person, by address and by kind of ask, counted in Redis for all workers at once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from handlers.endpoint import EVERYBODY, Endpoint
from hub.batch import MicroBatcher
from hub.errors import TooManyRequests
from hub.live.reach import FAILURES, Reach, stop_if_cancelled
from hub.models.files import PATH
from hub.services.attempts import network
from hub.settings import Settings

log = logging.getLogger("hub.limits")

# Seconds that Redis may take, and seconds after which it is tried again once it took longer.
_REDIS_SECONDS = 0.25
_LOCAL_SECONDS = 2.0
# Counts that one worker keeps by itself, for when Redis is away.
_MOST_LOCAL = 50_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How many asks of one kind are taken within so many seconds, of one person and of one address."""

    name: str
    seconds: int
    address: int
    person: int | None = None
    # What was carried out is taken out of the count again: only what was refused adds up.
    counts_refusals_only: bool = False


READING = Pace("read", 60, address=1200, person=600)
SEARCHING = Pace("search", 60, address=300, person=120)
WRITING = Pace("write", 60, address=600, person=180)
PAGES = Pace("page", 60, address=600)
CONNECTING = Pace("connect", 60, address=300)
# Every page that is opened begins with one.
REFRESHING = Pace("refresh", 60, address=600)
LOGGING_IN = Pace("log_in", 15 * 60, address=20, counts_refusals_only=True)
SIGNING_UP = Pace("sign_up", 10 * 60, address=30)
# Whatever sends a code or takes one, or takes a password from somebody who is logged in.
CODES = Pace("code", 60 * 60, address=60, person=30)
PICTURES = Pace("picture", 60, address=1500)
UPLOADING = Pace("upload", 10 * 60, address=120, person=60)

# A provider tells of everybody's payments from a few addresses.
TOLD_BY_PROVIDERS = Pace("event", 60, address=6000)

# By the endpoint's name; what is not named here is paced by its method.
BY_NAME = {
    "auth.login": LOGGING_IN,
    "auth.social": LOGGING_IN,
    "auth.social_second_factor": LOGGING_IN,
    "auth.register": SIGNING_UP,
    "auth.refresh": REFRESHING,
    "me.verify": CODES,
    "me.check_verification": CODES,
    "me.change_email": CODES,
    "me.confirm_email": CODES,
    "me.change_password": CODES,
    "me.erase": CODES,
    "me.set_up_second_factor": CODES,
    "me.confirm_second_factor": CODES,
    "me.renew_recovery_codes": CODES,
    "me.end_second_factor": CODES,
}
# True HTTP, by its path.
BY_PATH = {
    "/session/login": LOGGING_IN,
    "/session/register": SIGNING_UP,
    "/session/refresh": REFRESHING,
    "/session/logout": REFRESHING,
    "/session/password": CODES,
    f"{PATH}/{{name}}": PICTURES,
    "/socket.io/": CONNECTING,
    "/api/v1/payments/events/{gateway}": TOLD_BY_PROVIDERS,
}
# What asks much of the database.
_SEARCHES = ("search.", "availability.")


def pace_of(endpoint: Endpoint) -> Pace:
    """Name the pace of an endpoint; whoever needs no token to change something is paced tightly."""
    if endpoint.name in BY_NAME:
        return BY_NAME[endpoint.name]
    if endpoint.method != "GET":
        return CODES if endpoint.may == EVERYBODY else WRITING
    return SEARCHING if endpoint.name.startswith(_SEARCHES) or endpoint.name.endswith(".availability") else READING


@dataclass(frozen=True, slots=True)
class Taken:
    """One ask that was counted: by which pace and for whom, how many are left, and for how many seconds."""

    pace: Pace
    whose: str
    most: int
    key: str
    left: int
    seconds: int

    @property
    def name(self) -> str:
        """Name the limit in the headers."""
        return f"{self.pace.name}-{self.whose}"


class Limits:
    """The counts; while Redis is out of reach each worker counts by itself, so that nothing is ever without limit."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        assert settings.redis_url
        self.on = settings.rate_limits
        self._now = now
        self._redis = Reach(settings.redis_url).client(timed=False)
        # Asks that come in at the same moment are counted in one go.
        self._counting = MicroBatcher(self._count_shared)
        # Keys that Redis was told to forget at the end of their window.
        self._ending: set[str] = set()
        self._local: Counter[str] = Counter()
        # Runs while Redis is away; nobody who asks waits for it.
        self._trying: asyncio.Task[None] | None = None

    async def by_address(self, pace: Pace, address: str) -> Taken | None:
        """Count an ask of an address, or of the network it belongs to, or refuse it."""
        return await self._take(pace, "address", network(address), pace.address) if self.on else None

    async def by_person(self, pace: Pace, user_id: int | None) -> Taken | None:
        """Count an ask of a person, or refuse it."""
        if not self.on or user_id is None or pace.person is None:
            return None
        return await self._take(pace, "person", str(user_id), pace.person)

    async def give_back(self, taken: Taken) -> None:
        """Take an ask out of the count."""
        await self._count(taken.key, taken.seconds, -1)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait({self._trying})
        await self._redis.aclose()

    async def _take(self, pace: Pace, whose: str, who: str, most: int) -> Taken:
        window, passed = divmod(self._now().timestamp(), pace.seconds)
        key = f"pace:{pace.name}:{whose}:{who}:{int(window)}"
        count = await self._count(key, pace.seconds)
        seconds = max(1, round(pace.seconds - passed))
        taken = Taken(pace, whose, most, key, max(0, most - count), seconds)
        if count > most:
            raise TooManyRequests(retry_after=seconds)
        return taken

    async def _count(self, key: str, seconds: int, amount: int = 1) -> int:
        # Always here too: when Redis fails, this worker knows what it has seen itself.
        if len(self._local) >= _MOST_LOCAL and key not in self._local:
            self._local.clear()
        self._local[key] += amount
        count = await self._counting.ask((key, amount, seconds)) if self._trying is None else None
        return self._local[key] if count is None else count

    async def _count_shared(self, asks: Sequence[tuple[str, int, int]]) -> Sequence[int | None]:
        if self._trying is not None:
            # They have waited while those before were not answered, which is long enough.
            return [None] * len(asks)
        # A key is of one window, so each worker that counts on it only keeps it a little longer.
        new = {key: seconds for key, _, seconds in asks if key not in self._ending}
        try:
            async with asyncio.timeout(_REDIS_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                for key, amount, _ in asks:
                    pipeline.incrby(key, amount)
                for key, seconds in new.items():
                    pipeline.expire(key, seconds)
                said = await pipeline.execute()
        except FAILURES as failure:
            stop_if_cancelled()
            log.warning("Redis counts no asks, each worker counts by itself: %s", failure)
            self._trying = asyncio.create_task(self._wait_for_redis(), name="limits wait for Redis")
            self._ending.clear()
            return [None] * len(asks)
        if len(self._ending) >= _MOST_LOCAL:
            self._ending.clear()
        self._ending.update(new)
        return [int(count) for count in said[: len(asks)]]

    async def _wait_for_redis(self) -> None:
        while True:
            await asyncio.sleep(_LOCAL_SECONDS)
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    await self._redis.ping()
            except FAILURES:
                stop_if_cancelled()
                continue
            self._trying = None
            return


def policies(taken: list[Taken]) -> str:
    """Write the limits that were looked at, as RateLimit-Policy says them."""
    return ", ".join(f'"{one.name}";q={one.most};w={one.pace.seconds}' for one in taken)


def standings(taken: list[Taken]) -> str:
    """Write how much of each limit is left, as RateLimit says it."""
    return ", ".join(f'"{one.name}";r={one.left};t={one.seconds}' for one in taken)
