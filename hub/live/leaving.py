"""How a worker that stops sends its clients away: told at once, gone one after the other, so that no crowd arrives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from hub.live.connection import Connection

# Clients that are sent away each second, where the time allows it.
PACE = 40.0
# Seconds for which a client that was asking something may still be answered.
SECONDS_TO_ANSWER = 1.0
_TICK = 0.05


async def send_away(connections: Iterable[Connection], seconds: float) -> None:
    """Tell clients when they have to go, and end each connection at its time; until then they hear everything."""
    leaving = list(connections)
    # Those of one venue or one address stand together.
    random.shuffle(leaving)
    span = min(seconds, len(leaving) / PACE)
    turns = [(span * place / len(leaving), connection) for place, connection in enumerate(leaving)]
    for after, connection in turns:
        connection.tell("going_away", {"seconds": round(after, 1)})
    loop = asyncio.get_running_loop()
    began = loop.time()
    going: list[asyncio.Task[None]] = []
    for after, connection in turns:
        if (left := began + after - loop.time()) > 0:
            # A few at a time: nobody notices a twentieth of a second.
            await asyncio.sleep(max(left, _TICK))
        going.append(asyncio.create_task(_part(connection)))
    if going:
        await asyncio.wait(going)


async def _part(connection: Connection) -> None:
    """End a connection, but not between a question and its answer."""
    for _ in range(round(SECONDS_TO_ANSWER / _TICK)):
        if not connection.is_answering:
            break
        await asyncio.sleep(_TICK)
    if not connection.is_gone:
        await connection.wire.go_away()
