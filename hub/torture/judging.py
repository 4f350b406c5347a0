"""Whether what followers were shown is exactly the log."""

from __future__ import annotations

from collections import defaultdict

import orjson

from hub.torture.follower import Crowd, Follower, checksum
from hub.torture.play import Play
from storage import torture

_MOST_SHOWN = 5


async def judge_followers(play: Play, crowd: Crowd) -> None:
    """Judge that every follower was shown its room's log from where it began: nothing missing, doubled or swapped."""
    faults = [f"{one.room} {fault}" for one in crowd.followers for fault in one.faults]
    by_room: defaultdict[str, list[Follower]] = defaultdict(list)
    for one in crowd.followers:
        by_room[one.room].append(one)
    wrong: list[str] = []
    shown = 0
    for room, followers in by_room.items():
        told = {
            event.version: checksum(event.name, orjson.loads(event.data))
            for event in await torture.log_of(play.pool, room)
        }
        last = max(told, default=0)
        for one in followers:
            shown += len(one.shown)
            wrong += compared(one, told, last)
    play.must("nobody met a gap or an event twice", not faults, "; ".join(faults[:_MOST_SHOWN]))
    play.must(
        "what everybody was shown is the log, in its order",
        not wrong,
        "; ".join(wrong[:_MOST_SHOWN]) or f"{shown} deliveries to {len(crowd.followers)} followers",
    )


def compared(one: Follower, told: dict[int, int], last: int) -> list[str]:
    """List in what a follower's story differs from the log."""
    if one.began is None:
        return [f"{one.room or one.command}: a follower never began"]
    known, wrong = one.began, []
    for seen in one.shown:
        if seen.first != known + 1:
            wrong.append(f"{one.room}: {seen.first} was shown after {known}")
        elif seen.first == seen.version and told.get(seen.version) != seen.checksum:
            wrong.append(f"{one.room}: {seen.version} was shown otherwise than it was told")
        known = seen.version
    if known != last:
        wrong.append(f"{one.room}: {known} is the last of {last} that was shown")
    return wrong
