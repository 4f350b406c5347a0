"""Sends what happens at venues to where their webhooks lead: at least once, in order, each receiver in its own lane.

A lane is sent one message after the other by whoever holds its lease. One that fails is left alone longer each time;
a message that is refused while others are taken lets those go first. Receivers that are slow or fail share places of
their own, so that those who are well never wait for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from hub.core import THE_HUB, Hub
from hub.errors import HubError
from hub.gateways.webhooks import Answer, Receivers, receivers, signed
from hub.jobs.queue import LONGEST_PAUSE, pause_after
from hub.models.bookings import Booking
from hub.models.webhooks import Reason
from hub.services import webhooks
from storage import bookings
from storage import webhook_lanes as store
from storage.query import Db
from storage.webhook_lanes import Lane, Message, Receiver

log = logging.getLogger("hub.jobs")

# Seconds between two looks at the event log, and at lanes of which something may be due.
PAUSE: Final = 0.2
# Events of a room that are read at once, and messages that may wait for a receiver: then the log is read no further.
AT_ONCE: Final = 500
MOST_WAITING: Final = 10_000
# Receivers that one worker sends to at the same time: those who are well, and those who are slow or fail.
PLACES: Final = {False: 60, True: 40}
# For which a lane is held, and how often that is renewed: a lane whose worker died waits no longer than that.
LEASE, RENEWED_EVERY = 5.0, 1.0
# One turn of a lane: messages that are read at once, seconds until what was taken is noted, and until others are first.
BATCH: Final = 20
SECONDS_UNNOTED: Final = 2.0
TURN: Final = 10.0
# Whoever takes longer to answer is slow.
SLOW_MILLISECONDS: Final = 2000
# After so many failures in a row the receiver was away: when it is back, all that failed meanwhile is tried again.
OUTAGE: Final = 3
# So many messages in a row may be refused before the receiver is left alone; each has pauses of its own anyhow.
REFUSALS: Final = 10
# Answers that mean the moment and not the message.
LATER: Final = frozenset((408, 425, 429))
GIVE_UP_SECONDS: Final = 24 * 3600.0
GONE: Final = 410
# How many lanes may be at the database at once, which others need too.
AT_THE_DATABASE: Final = 4
SECONDS_TO_END: Final = 1.0
SECONDS_AWAY: Final = 1.0

BY_THE_HUB: Final = replace(THE_HUB, asked="webhooks")


async def run(hub: Hub) -> None:
    """Collect and send until cancelled; any number of workers may, each sends for other receivers."""
    async with receivers(anywhere=hub.settings.webhook_private) as gate, asyncio.TaskGroup() as group:
        sender = Sender(hub, gate)
        group.create_task(_keep_collecting(hub), name="webhooks: collect")
        group.create_task(sender.keep_holding(), name="webhooks: hold")
        for slow in PLACES:
            group.create_task(sender.keep_sending(slow=slow), name=f"webhooks: {'slow' if slow else 'quick'}")


async def work_off(hub: Hub) -> int:
    """Collect what was told and send all that is due by now; answers how many turns lanes had."""
    turns = 0
    async with receivers(anywhere=hub.settings.webhook_private) as gate:
        sender = Sender(hub, gate)
        while await collect(hub):
            pass
        holding = asyncio.create_task(sender.keep_holding())
        try:
            while lanes := [lane for slow, places in PLACES.items() for lane in await sender.take(places, slow=slow)]:
                await asyncio.gather(*map(sender.turn, lanes))
                turns += len(lanes)
        finally:
            holding.cancel()
    return turns


async def collect(hub: Hub) -> int:
    """Turn what was told since into messages; answers how many."""
    async with hub.reading() as db:
        return await store.collect(db, AT_ONCE, MOST_WAITING)


async def _keep_collecting(hub: Hub) -> None:
    while True:
        try:
            collected = await collect(hub)
        except HubError as error:
            log.warning("collecting for webhooks has to wait: %s", error)
            collected = 0
            await asyncio.sleep(SECONDS_AWAY)
        if not collected:
            await asyncio.sleep(PAUSE)


@dataclass
class Sender:
    """Takes lanes and sends what is due of them."""

    hub: Hub
    gate: Receivers
    _held: dict[int, Lane] = field(default_factory=dict)
    _database: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_THE_DATABASE))
    _is_stopping: bool = False

    async def keep_sending(self, *, slow: bool) -> None:
        """Send for those who are well, or for those who are slow or fail, until cancelled."""
        turns: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    lanes = await self.take(PLACES[slow] - len(turns), slow=slow)
                except HubError as error:
                    log.warning("sending to webhooks has to wait: %s", error)
                    lanes = []
                    await asyncio.sleep(SECONDS_AWAY)
                for lane in lanes:
                    turn = asyncio.create_task(self.turn(lane), name=f"webhook {lane.webhook_id}")
                    turns.add(turn)
                    turn.add_done_callback(turns.discard)
                await asyncio.sleep(PAUSE)
        finally:
            # A worker that is told to stop ends what it has begun, or it would be sent again by the next.
            self._is_stopping = True
            if turns:
                await asyncio.wait(turns, timeout=SECONDS_TO_END)
            for turn in turns:
                turn.cancel()

    async def keep_holding(self) -> None:
        """Hold the lanes that have their turn until cancelled."""
        while True:
            await asyncio.sleep(RENEWED_EVERY)
            if not self._held:
                continue
            try:
                async with self.hub.reading() as db:
                    await store.hold(db, list(self._held.values()), LEASE)
            except HubError as error:
                log.warning("lanes of webhooks may be taken by others: %s", error)

    async def take(self, places: int, *, slow: bool) -> list[Lane]:
        """Take at most so many lanes of which something is due."""
        if places <= 0:
            return []
        async with self._database, self.hub.reading() as db:
            return await store.take(db, LEASE, places, slow=slow)

    async def turn(self, lane: Lane) -> None:
        """Send what is due of a lane until one fails, nothing is left, or it is somebody else's turn."""
        until = time.monotonic() + TURN
        self._held[lane.webhook_id] = lane
        try:
            while time.monotonic() < until and not self._is_stopping:
                async with self._database, self.hub.reading() as db:
                    receiver = await store.receiver(db, lane.webhook_id)
                    messages = await store.due(db, lane.webhook_id, BATCH) if receiver else []
                    told = await _told_of(receiver, messages, db) if receiver else {}
                if receiver is None or not messages:
                    break
                if not await self._send(lane, receiver, messages, told, until):
                    return
            async with self._database, self.hub.reading() as db:
                await store.release(db, lane)
        except HubError as error:
            log.warning("webhook %s has to wait: %s", lane.webhook_id, error)
        except Exception:
            log.exception("webhook %s failed, and is tried again", lane.webhook_id)
        finally:
            # Another turn of the same lane may have begun.
            if self._held.get(lane.webhook_id) is lane:
                del self._held[lane.webhook_id]

    async def _send(
        self, lane: Lane, receiver: Receiver, messages: Sequence[Message], told: Mapping[int, Booking], until: float
    ) -> bool:
        """Send messages in their order; False once one was not taken, or the lane is somebody else's."""
        kept = [receiver.secret, receiver.old_secret] if receiver.old_secret else [receiver.secret]
        secrets = [webhooks.unsealed(self.hub.settings, one) for one in kept]
        taken: list[tuple[int, Answer]] = []
        noted_at = time.monotonic()
        for message in messages:
            answer = await self._post(receiver, message, [one for one in secrets if one], told.get(message.sequence))
            if not answer.is_taken:
                if not taken or await self._note(lane, taken):
                    await self._fail(lane, receiver, message, answer)
                return False
            taken.append((message.sequence, answer))
            # The first one that is taken again decides what comes next.
            if lane.failures or self._is_stopping or time.monotonic() > until:
                break
            if time.monotonic() - noted_at > SECONDS_UNNOTED:
                if not await self._note(lane, taken):
                    return False
                taken, noted_at = [], time.monotonic()
        return not taken or await self._note(lane, taken)

    async def _post(
        self, receiver: Receiver, message: Message, secrets: Sequence[bytes], booking: Booking | None
    ) -> Answer:
        if not secrets:
            return Answer(None, "its secret can no longer be read; draw a new one", 0)
        body = written(receiver.venue_id, message, booking)
        return await self.gate.post(receiver.url, signed(secrets, message.id, self.hub.clock.now(), body), body)

    async def _note(self, lane: Lane, taken: Sequence[tuple[int, Answer]]) -> bool:
        """Note what was taken, all at once: should this worker die before, it is sent twice, under the same id."""
        slow = any(answer.milliseconds > SLOW_MILLISECONDS for _, answer in taken)
        async with self._database, self.hub.reading() as db:
            held = await store.delivered(
                db,
                lane,
                [sequence for sequence, _ in taken],
                [answer.status or 0 for _, answer in taken],
                [answer.milliseconds for _, answer in taken],
                LEASE,
                slow=slow,
            )
            if held and lane.failures >= OUTAGE and lane.failing_since:
                await store.hasten(db, lane.webhook_id, lane.failing_since)
        if not held:
            log.warning("webhook %s took longer than its lease; somebody else has it now", lane.webhook_id)
        lane.failures, lane.failing_since = 0, None
        return held

    async def _fail(self, lane: Lane, receiver: Receiver, message: Message, answer: Answer) -> None:
        is_refused = answer.status is not None and answer.status < 500 and answer.status not in LATER
        if is_refused:
            pause = pause_after(lane.failures + 2 - REFUSALS) if lane.failures + 1 >= REFUSALS else 0.0
        else:
            pause = max(pause_after(lane.failures + 1), min(answer.retry_after, LONGEST_PAUSE))
        # Longer than the lane's, so that others are first: should only this one fail, they are not held up.
        message_pause = pause + pause_after(message.attempts + 1)
        async with self._database, self.hub.reading() as db:
            failed = await store.failed(
                db,
                lane,
                message.sequence,
                answer.status,
                answer.error or "",
                answer.milliseconds,
                pause,
                message_pause,
                GIVE_UP_SECONDS,
            )
        if failed is None:
            return
        # Neither the address nor the error, which a receiver words.
        log.info("webhook %s did not take message %s: %s", lane.webhook_id, message.sequence, answer.status)
        if failed.is_given_up:
            log.warning("message %s of webhook %s is given up", message.sequence, lane.webhook_id)
        is_gone = answer.status == GONE
        if is_gone or failed.failing_for >= GIVE_UP_SECONDS:
            reason: Reason = "gone" if is_gone else "failing"
            if await webhooks.give_up(self.hub, BY_THE_HUB, receiver.venue_id, lane.webhook_id, reason):
                log.warning("webhook %s is switched off: %s", lane.webhook_id, reason)


async def _told_of(receiver: Receiver, messages: Sequence[Message], db: Db) -> dict[int, Booking]:
    """Read the bookings that messages are about as they now are, where the venue wants its receiver to have them."""
    if not receiver.with_bookings:
        return {}
    about = {one.sequence: int(one.data["id"]) for one in messages if one.name.startswith("booking.")}
    found = {one.id: one for one in await bookings.documents(db, sorted(set(about.values())), receiver.venue_id)}
    return {sequence: found[booking_id] for sequence, booking_id in about.items() if booking_id in found}


def written(venue_id: int, message: Message, booking: Booking | None) -> bytes:
    """Write a message's body: what happened, where it stands, and nobody's name unless the venue wants it told."""
    told: dict[str, Any] = {
        "type": message.name,
        "timestamp": message.at,
        "sequence": message.sequence,
        "venue_id": venue_id,
    }
    if message.version is not None:
        told |= {"room": message.room, "epoch": message.epoch, "version": message.version}
    told["data"] = message.data if booking is None else message.data | {"booking": booking.model_dump(mode="json")}
    return orjson.dumps(told)
