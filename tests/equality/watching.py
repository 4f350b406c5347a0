"""Everybody who watches a world: what each knew, what was told since, and what a fresh look shows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from hub import events as facts
from hub import rooms
from hub.core import Hub
from hub.errors import NotFound
from hub.events import REGISTRY
from hub.live import replay
from hub.live.replay import Snapshot
from tests.live.following import Reducer
from tests.world import World

# Every fact is declared where it is at home.
for _module in pkgutil.iter_modules(facts.__path__):
    importlib.import_module(f"{facts.__name__}.{_module.name}")


@dataclass(frozen=True)
class Watcher:
    """Somebody who follows one live room."""

    who: str
    room: str
    about: int
    snapshot: Snapshot

    async def look(self, hub: Hub) -> Any:
        """Take a fresh snapshot, with the version it stands for; None when there is nothing to see any more."""
        try:
            told = await replay.tell(hub.pool, self.room, self.about, self.snapshot, None, None)
        except NotFound:
            return None
        return orjson.loads(told.json())

    async def since(self, hub: Hub, known: Any) -> list[Any]:
        """Read what was told since a snapshot."""
        events: list[Any] = []
        version = known["version"]
        while True:
            told = await replay.tell(hub.pool, self.room, self.about, self.snapshot, version, known["epoch"])
            news = orjson.loads(told.json())
            assert not news.get("reload"), news
            events += news["events"]
            version = news["version"]
            if not news.get("more"):
                return events


def watchers(world: World) -> list[Watcher]:
    """Let a guest watch both venues, the clerk both desks, and the owner, a customer and a rival themselves."""
    both = (("hall", world.hall), ("hotel", world.hotel))
    persons = (("customer", world.customer), ("rival", world.rival), ("owner", world.owner), ("clerk", world.clerk))
    return [
        *(Watcher(f"a guest at the {name}", rooms.venue(one.id), one.id, replay.venue) for name, one in both),
        *(Watcher(f"the desk of the {name}", rooms.desk(one.id), one.id, replay.desk) for name, one in both),
        *(
            Watcher(f"the {name}", rooms.user(one.user_id), one.user_id, replay.user)
            for name, one in persons
            if one.user_id is not None
        ),
    ]


class Watch:
    """All watchers of a world, and the differences that were found."""

    def __init__(self, hub: Hub, watching: Sequence[Watcher], reduce: Reducer, secrets: Sequence[str] = ()) -> None:
        self.hub, self.watching, self.reduce, self.secrets = hub, watching, reduce, secrets
        self.known: dict[str, Any] = {}
        self.names: set[str] = set()
        self.marked: dict[str, int] = {}
        self.wrong: list[str] = []

    async def begin(self) -> None:
        """Let everybody take a snapshot."""
        self.known = {watcher.room: await watcher.look(self.hub) for watcher in self.watching}

    async def mark(self) -> None:
        """Remember where the log stands, so that what follows is told from what led up to it."""
        async with self.hub.reading() as db:
            rows = await db.fetch("SELECT room, version FROM live_rooms")
        self.marked = {row["room"]: row["version"] for row in rows}
        self.names = set()

    async def compare(self, after: str) -> int:
        """Let everybody apply what was told and compare it with a fresh snapshot; answers how much was told."""
        count = 0
        for watcher in self.watching:
            known = self.known[watcher.room]
            if known is None:
                continue
            events = await watcher.since(self.hub, known)
            new = [event for event in events if event["version"] > self.marked.get(watcher.room, 0)]
            count += len(new)
            self.names |= {event["name"] for event in new}
            self.wrong += [f"{after}: {fault}" for event in events for fault in self._faults(watcher, event)]
            fresh = await watcher.look(self.hub)
            reached = await self.reduce(known["snapshot"], events)
            if fresh is None:
                # A person who is gone has nobody left who looks.
                if reached.get("venue") is not None:
                    self.wrong.append(f"{after}: {watcher.who} still sees a venue that is gone")
                self.known[watcher.room] = None
                continue
            expected = await self.reduce(fresh["snapshot"], [])
            if [event["version"] for event in events] != list(range(known["version"] + 1, fresh["version"] + 1)):
                self.wrong.append(f"{after}: {watcher.who} was told with a gap")
            self.wrong += [f"{after}: {watcher.who}: {one}" for one in differences(reached, expected)]
            self.known[watcher.room] = fresh
        return count

    def _faults(self, watcher: Watcher, event: Any) -> list[str]:
        """Say what is wrong with one event: its audience, its shape, or that it tells strangers of a person."""
        declared = REGISTRY[event["name"]]
        kind = watcher.room.partition(":")[0]
        found = []
        if kind not in declared.audience:
            found.append(f"{event['name']} is not for a {kind}")
        declared.data_model().model_validate(event["data"])
        if kind == "venue":
            text = orjson.dumps(event).decode()
            found += [f"{event['name']} tells everybody {secret!r}" for secret in self.secrets if secret in text]
        return found


def differences(reached: Any, expected: Any, path: str = "") -> list[str]:
    """Say where two states differ."""
    if isinstance(reached, dict) and isinstance(expected, dict):
        found = []
        for key in sorted({*reached, *expected}):
            here = f"{path}.{key}"
            if key not in reached:
                found.append(f"{here} is missing")
            elif key not in expected:
                found.append(f"{here} should be gone")
            else:
                found += differences(reached[key], expected[key], here)
        return found
    return [] if reached == expected else [f"{path} is {reached!r}, not {expected!r}"]
