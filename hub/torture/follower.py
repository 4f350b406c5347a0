"""Followers of live rooms, as patient as the hub's own client: they come back, resume, and write down what they saw."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import orjson

from hub.torture.line import SECONDS_OF_SILENCE, SECONDS_TO_OPEN, Hung, Line, Refusal

# Seconds before the first and the longest before a later attempt to come back, as in static/js/live.js.
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
# What a follower may meet while its line breaks.
BROKEN = (OSError, TimeoutError, Refusal)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it was shown: the versions it stands for, and a checksum of what it said."""

    first: int
    version: int
    checksum: int


def checksum(name: str, data: Any) -> int:
    """Sum up what an event says, however it was written."""
    return zlib.crc32(name.encode() + orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


class Follower:
    """One client in one live room."""

    def __init__(self, crowd: Crowd, command: str, payload: dict[str, Any], token: str | None, number: int) -> None:
        self.crowd, self.command, self.payload, self.token = crowd, command, payload, token
        self.chance = Random(f"{crowd.chance.random()} {number}")
        self.address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.room = ""
        self.epoch: str | None = None
        self.began: int | None = None
        self.version: int | None = None
        self.shown: list[Seen] = []
        self.faults: list[str] = []
        self.reloads = 0
        self.line: Line | None = None
        self.is_live = False
        self.is_hearing = False
        self._lost_at: float | None = None
        # Given every event and every snapshot, where a state is made of them.
        self.on_snapshot: Callable[[dict[str, Any]], None] | None = None
        self.on_event: Callable[[dict[str, Any]], None] | None = None

    async def follow(self) -> None:
        """Follow until cancelled, coming back as often as it takes."""
        failures = 0
        while True:
            try:
                await self._stay()
                failures = 0
            except BROKEN as broken:
                failures = 0 if self.is_live else failures + 1
                if isinstance(broken, Refusal) and broken.args[0]["status"] not in (429, 503):
                    self.faults.append(f"was refused: {broken.args[0]['code']}")
            finally:
                if self.is_live:
                    self._lost_at = time.monotonic()
                self.is_live = False
                if self.line is not None:
                    self.line.abort()
            pause = min(FIRST_PAUSE * 2.0**failures, LONGEST_PAUSE)
            await asyncio.sleep(pause * self.chance.uniform(0.5, 1.5))

    async def _stay(self) -> None:
        self.is_hearing = False
        self.line = line = await Line.call(self.chance.choice(self.crowd.ports()), self._hear, self.address)
        self.crowd.connects.append(time.monotonic())
        await line.greet(self.token)
        await self._catch_up(line)
        self.is_live = True
        if self._lost_at is not None:
            self.crowd.resumed.append(time.monotonic() - self._lost_at)
        while not line.over.done():
            await asyncio.wait({line.over}, timeout=1.0)
            if time.monotonic() - line.heard_at > SECONDS_OF_SILENCE + SECONDS_TO_OPEN:
                raise Hung("no ping")

    async def _catch_up(self, line: Line) -> None:
        """Ask for the snapshot, or for what was missed; the events after the answer follow it on the same line."""
        while True:
            known = {} if self.version is None else {"since": self.version, "epoch": self.epoch}
            news = await line.ask(f"{self.command}.watch", {**self.payload, **known}, self._begin)
            if not news.get("more"):
                return

    def _begin(self, news: dict[str, Any]) -> None:
        self.room = news["room"]
        if news.get("reload"):
            self.reloads += 1
            self.shown.clear()
        if "snapshot" in news:
            self.epoch, self.began, self.version = news["epoch"], news["version"], news["version"]
            if self.on_snapshot is not None:
                self.on_snapshot(news["snapshot"])
        for envelope in news.get("events", ()):
            self._take(envelope)
        if self.version != news["version"]:
            self.faults.append(f"was answered up to {self.version} and told {news['version']}")
        self.is_hearing = not news.get("more", False)

    def _hear(self, packet: bytes) -> None:
        _, envelope = orjson.loads(packet[2:])
        if not isinstance(envelope, dict) or "version" not in envelope:
            return
        if not self.is_hearing:
            self.faults.append(f"heard {envelope['version']} before the answer")
            return
        self._take(envelope)
        self.crowd.delays.append(time.time() - datetime.fromisoformat(envelope["at"]).timestamp())

    def _take(self, envelope: dict[str, Any]) -> None:
        # A state may stand for several versions at once; a fact stands for one.
        version = envelope["version"]
        first = envelope.get("first_version", version)
        assert self.version is not None
        if first > self.version + 1:
            self.faults.append(f"missed {self.version + 1} to {first - 1}")
        elif first <= self.version:
            self.faults.append(f"was shown {first} again after {self.version}")
        self.version = version
        self.shown.append(Seen(first, version, checksum(envelope["name"], envelope["data"])))
        if self.on_event is not None:
            self.on_event(envelope)


@dataclass
class Crowd:
    """Followers that live side by side, and what all of them noted."""

    chance: Random
    ports: Callable[[], Sequence[int]]
    followers: list[Follower] = field(default_factory=list)
    # Seconds from losing the line until everything missed was known again; from an event's time until it was shown.
    resumed: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def add(self, command: str, payload: dict[str, Any], token: str | None = None) -> Follower:
        """Send one more follower on its way."""
        follower = Follower(self, command, payload, token, len(self.followers) + 1)
        self.followers.append(follower)
        self._tasks.append(asyncio.create_task(follower.follow()))
        return follower

    async def settled(self, seconds: float) -> bool:
        """Wait until everybody is live; tells whether they were in time."""
        return await until(lambda: all(one.is_live for one in self.followers), seconds)

    async def reach(self, versions: dict[str, int], seconds: float) -> bool:
        """Wait until everybody knows these versions of their rooms; tells whether they did in time."""
        return await until(
            lambda: all(one.is_live and (one.version or 0) >= versions.get(one.room, 0) for one in self.followers),
            seconds,
        )

    def cut(self, count: int) -> int:
        """Cut the lines of so many, drawn by lot; answers how many were live."""
        live = [one for one in self.followers if one.is_live]
        drawn = self.chance.sample(live, min(count, len(live)))
        for one in drawn:
            assert one.line is not None
            one.line.abort()
        return len(drawn)

    async def leave(self) -> None:
        """Send everybody home."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False when it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
