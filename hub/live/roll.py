"""Which sockets each person has at all workers together, kept in Redis; while it is away each worker counts its own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from hub.live.crowd import MOST_OF_A_PERSON, TRY_AGAIN, TooManySockets
from hub.live.reach import FAILURES, Reach, stop_if_cancelled

log = logging.getLogger("hub.live")

# Seconds between two times a worker says which sockets it has, and after which nobody believes that they are there.
SAID_EVERY = 5.0
BELIEVED_FOR = 15
_REDIS_SECONDS = 0.25

# By the time of Redis, so that the workers' clocks may differ.
_ENTER = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Roll:
    """Calls the roll of people's sockets."""

    def __init__(self, url: str, epoch: str, *, is_limited: bool) -> None:
        self.is_limited = is_limited
        self._redis = Reach(url).client()
        self._prefix = f"sockets:{epoch}:"
        self._enter = self._redis.register_script(_ENTER)
        # By the number of the wire: whose it is.
        self._here: dict[str, int] = {}
        self._left: list[tuple[int, str]] = []
        self._news = asyncio.Event()

    async def enter(self, user_id: int, number: str) -> None:
        """Note a person's socket, or refuse it when they have as many as one may have, wherever these are."""
        if not self.is_limited or self._here.get(number) == user_id:
            return
        try:
            async with asyncio.timeout(_REDIS_SECONDS):
                is_in = await self._say(user_id, number)
        except FAILURES as failure:
            log.info("sockets are counted by each worker alone: %s", failure)
            is_in = True
        finally:
            stop_if_cancelled()
        if not is_in:
            raise TooManySockets(retry_after=TRY_AGAIN)
        self._here[number] = user_id

    def leave(self, number: str) -> None:
        """Note that a socket is gone."""
        user_id = self._here.pop(number, None)
        if user_id is not None:
            self._left.append((user_id, number))
            self._news.set()

    async def run(self) -> None:
        """Say who has left, and now and then who is still here, until cancelled."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SAID_EVERY):
                    await self._news.wait()
            self._news.clear()
            left, self._left = self._left, []
            here = list(self._here.items()) if loop.time() - said >= SAID_EVERY else []
            said = loop.time() if here else said
            try:
                if here:
                    # A pipeline to a cluster cannot notice that a server does not know it.
                    await self._redis.script_load(_ENTER)
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for user_id, number in left:
                        pipeline.zrem(self._key(user_id), number)
                    for number, user_id in here:
                        arguments = (self._key(user_id), number, MOST_OF_A_PERSON, BELIEVED_FOR)
                        pipeline.evalsha(self._enter.sha, 1, *arguments)
                    await pipeline.execute()
            except FAILURES as failure:
                log.info("Redis does not hear which sockets there are: %s", failure)
            finally:
                stop_if_cancelled()

    async def close(self) -> None:
        """Let go of Redis."""
        await self._redis.aclose()

    async def _say(self, user_id: int, number: str) -> bool:
        return bool(await self._enter([self._key(user_id)], [number, MOST_OF_A_PERSON, BELIEVED_FOR]))

    def _key(self, user_id: int) -> str:
        return f"{self._prefix}{user_id}"
