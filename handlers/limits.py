"""How often somebody may ask: by person, by address and by kind of ask, counted in Redis for all workers at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from limits import RateLimitItem, RateLimitItemPerSecond

from handlers.endpoint import EVERYBODY, Endpoint
from hub.errors import TooManyRequests
from hub.live.reach import FAILURES, Reach, stop_if_cancelled
from hub.models.files import PATH
from hub.services.attempts import network
from hub.settings import Settings

log = logging.getLogger("hub.limits")

# Seconds that Redis may take, and seconds for which it is not asked again once it took longer.
_REDIS_SECONDS = 0.25
_LOCAL_SECONDS = 2.0
# Counts that one worker keeps by itself, for when Redis is away.
_MOST_LOCAL = 50_000

# A count ends with its window.
_ADD = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
"""


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
        self._redis = Reach(settings.redis_url).client()
        self._add = self._redis.register_script(_ADD)
        self._local: Counter[str] = Counter()
        self._local_until = 0.0
        self._is_away = False

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
        await self._redis.aclose()

    async def _take(self, pace: Pace, whose: str, who: str, most: int) -> Taken:
        item: RateLimitItem = RateLimitItemPerSecond(most, pace.seconds, pace.name)
        window, passed = divmod(self._now().timestamp(), pace.seconds)
        key = f"pace:{item.key_for(whose, who, str(int(window)))}"
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
        now = time.monotonic()
        if now >= self._local_until:
            if self._is_away:
                # One ask tries whether Redis is back; the others do not wait for it.
                self._local_until = now + _LOCAL_SECONDS
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    count = int(await self._add([key], [amount, seconds]))
            except FAILURES as failure:
                stop_if_cancelled()
                if not self._is_away:
                    log.warning("Redis counts no asks, each worker counts by itself: %s", failure)
                self._is_away, self._local_until = True, time.monotonic() + _LOCAL_SECONDS
            else:
                self._is_away, self._local_until = False, 0.0
                return count
        return self._local[key]


def policies(taken: list[Taken]) -> str:
    """Write the limits that were looked at, as RateLimit-Policy says them."""
    return ", ".join(f'"{one.name}";q={one.most};w={one.pace.seconds}' for one in taken)


def standings(taken: list[Taken]) -> str:
    """Write how much of each limit is left, as RateLimit says it."""
    return ", ".join(f'"{one.name}";r={one.left};t={one.seconds}' for one in taken)
