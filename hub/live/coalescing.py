"""What is free is a state: of all that changed within a tick, each thing is told once, as it now is.

Facts (bookings, notices, whatever was changed or deleted) are told one by one, and nothing is told before what came
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from hub.events.availability import AvailabilityChanged
from hub.live.frames import Frame

# Seconds for which the changes of a venue's availability are gathered at most, for a crowd of watchers; for a few it
# is less, and the first change after a quiet moment leaves at once.
TICK = 0.1
_HEAD = f'2["{AvailabilityChanged.name}",'
_ABOUT = {
    "room": ("room_id", "starts_at", "ends_at"),
    "night": ("room_type_id", "night"),
    "session": ("session_id",),
}


def is_state(ready: Frame) -> bool:
    """Tell whether an event says how things are, so that a later one makes it void."""
    return ready.text.startswith(_HEAD)


def coalesced(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Answer the same events with each run of states made one, which says which versions it stands for."""
    if len(frames) == 1:
        return frames
    told: list[Frame] = []
    run: list[Frame] = []
    for ready in frames:
        if is_state(ready):
            run.append(ready)
        else:
            told += [*_one(run), ready]
            run = []
    return [*told, *_one(run)]


def _one(run: list[Frame]) -> list[Frame]:
    if len(run) < 2:
        return run
    envelopes = [orjson.loads(ready.text[len(_HEAD) : -1]) for ready in run]
    latest: dict[Any, Any] = {}
    for change in _changes(envelopes):
        about = (change["kind"], *(change[field] for field in _ABOUT[change["kind"]]))
        # In the place where it was said last.
        latest.pop(about, None)
        latest[about] = change
    last = envelopes[-1]
    last["data"]["changes"] = list(latest.values())
    named = {name: last.pop(name) for name in ("room", "epoch")}
    text = orjson.dumps({**named, "first_version": run[0].version, **last}).decode()
    return [Frame(run[-1].room, run[-1].version, f"{_HEAD}{text}]")]


def _changes(envelopes: Iterable[Any]) -> Iterable[Any]:
    for envelope in envelopes:
        yield from envelope["data"]["changes"]
