"""What happens at a venue reaches its receivers: signed, in order, at least once, and nobody waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from hub.core import GUEST, Actor, Hub
from hub.gateways import webhooks as gateway
from hub.jobs import housekeeping
from hub.jobs import webhooks as job
from hub.models.bookings import CancelBooking
from hub.models.venues import Venue
from hub.models.webhooks import ChangeWebhook, ListDeliveries, NameWebhook, ReplayWebhook, Webhook
from hub.services import bookings, health, webhooks
from hub.settings import Settings
from storage import webhook_lanes
from tests import builders
from tests.doors import ListeningHub
from tests.receivers import Inbox, Street, hook, let_lanes_go_on, let_time_pass, refusing, taking, verifies
from tests.world import World, another

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "receive.py")


@pytest.fixture
def settings(on_loopback: Settings) -> Settings:
    return on_loopback


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


@dataclass
class Stand:
    """A venue with nothing in it: what happens there is only told."""

    hub: ListeningHub
    owner: Actor
    hall: Venue


@pytest.fixture
async def stand(hub: ListeningHub) -> Stand:
    owner = await builders.make_actor(hub, "vendor", full_name="Vera Lopes")
    return Stand(hub, owner, await builders.make_venue(hub, owner))


async def tell(hub: ListeningHub, venue_id: int, count: int, name: str = "booking.confirmed") -> None:
    """Tell the desk of a venue so much at once, as a sale does."""
    async with hub.pool.acquire() as db:
        await db.fetch(
            "SELECT version FROM append_events($1::text[], $2::text[], $3::json[])",
            [f"desk:{venue_id}"] * count,
            [name] * count,
            [f'{{"id": {number}, "status": "confirmed", "guest": "SECRET"}}' for number in range(1, count + 1)],
        )


@contextlib.asynccontextmanager
async def working(*hubs: Hub) -> AsyncIterator[None]:
    """Let workers run side by side."""
    workers = [asyncio.create_task(job.run(hub)) for hub in hubs]
    try:
        yield
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def state(hub: ListeningHub, webhook: Webhook) -> Webhook:
    async with hub.reading() as db:
        found = await webhooks.store.find(db, webhook.venue_id, webhook.id)
    assert found is not None
    return found


async def log_of(hub: ListeningHub, webhook: Webhook) -> list[Any]:
    async with hub.reading() as db:
        found, _ = await webhooks.store.deliveries(db, webhook.id, None, 1000, 0)
    return found[::-1]


async def rows(hub: ListeningHub, statement: str) -> list[Any]:
    async with hub.pool.acquire() as db:
        return [tuple(row) for row in await db.fetch(statement)]


@pytest.mark.abuse("P22")
async def test_what_happens_reaches_the_receiver_signed_in_order_and_once(world: World, receivers: Street) -> None:
    inbox = receivers.inbox()
    webhook = await hook(world.hub, world.owner, world.hall.id, inbox, "booking.confirmed", "booking.cancelled")
    booking = await world.book(world.slot())
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booking.id))
    await job.work_off(world.hub)
    assert await job.work_off(world.hub) == 0
    assert (inbox.names, inbox.sequences) == (["booking.confirmed", "booking.cancelled"], [1, 2])
    told = [one for one in world.hub.told if one.room == f"desk:{world.hall.id}"]
    assert [(one["room"], one["version"]) for one in inbox.got] == [(one.room, one.version) for one in told]
    assert [one["timestamp"] for one in inbox.got] == [one.at.isoformat() for one in told]
    assert inbox.headers[0]["Content-Type"] == "application/json"
    assert [one.status for one in await log_of(world.hub, webhook)] == ["delivered"] * 2
    assert (await state(world.hub, webhook)).waiting == 0


@pytest.mark.abuse("J5")
@pytest.mark.abuse("P12")
async def test_nothing_but_ids_and_states_travels_unless_the_venue_wants_more(world: World, receivers: Street) -> None:
    plain, full, rival = receivers.inbox("plain"), receivers.inbox("full"), receivers.inbox("rival")
    everything = (*webhooks.DESK_EVENTS, *webhooks.VENUE_EVENTS)
    await hook(world.hub, world.owner, world.hall.id, plain, *everything)
    await hook(world.hub, world.owner, world.hall.id, full, "booking.confirmed", with_bookings=True)
    await hook(world.hub, world.owner, world.hotel.id, rival, "booking.confirmed", with_bookings=True)
    booking = await world.book(world.slot(), world.stay(), notes="SECRET", guest_details={"full_name": "SECRET"})
    await job.work_off(world.hub)
    [told] = [one for one in plain.got if one["type"] == "booking.confirmed"]
    assert set(told["data"]) == {"id", "status", "updated_at"}
    assert (told["data"]["id"], told["data"]["status"], told["venue_id"]) == (booking.id, "confirmed", world.hall.id)
    seen = orjson.dumps(plain.got).decode()
    assert "availability.changed" in plain.names
    assert [word for word in ("SECRET", "Ana Reis", "@example.org", booking.reference) if word in seen] == []
    # Of a basket of several venues each gets its part.
    for inbox, venue, other in ((full, world.hall, world.hotel), (rival, world.hotel, world.hall)):
        [told] = inbox.got
        assert told["data"]["booking"]["guest"]["full_name"] == "Ana Reis"
        assert {item["venue_id"] for item in told["data"]["booking"]["items"]} == {venue.id}
        assert f'"venue_id": {other.id}' not in orjson.dumps(told).decode()
    kept = await rows(world.hub, "SELECT data::text FROM webhook_messages")
    assert [one for (one,) in kept if "SECRET" in one or "Ana" in one] == []


async def test_a_receiver_hears_what_it_chose_and_from_then_on(world: World, receivers: Street) -> None:
    inbox = receivers.inbox()
    await world.book(world.slot(9))
    webhook = await hook(world.hub, world.owner, world.hall.id, inbox, "booking.cancelled")
    await world.book(world.slot(10))
    await job.work_off(world.hub)
    assert inbox.got == []
    name = {"venue_id": world.hall.id, "webhook_id": webhook.id}
    await webhooks.change(
        world.hub, world.owner, ChangeWebhook(**name, events=["booking.confirmed", "session.changed"])
    )
    await world.book(world.slot(11))
    await job.work_off(world.hub)
    assert inbox.names == ["booking.confirmed"]
    assert await rows(world.hub, "SELECT room FROM webhook_cursors ORDER BY room") == [
        (f"desk:{world.hall.id}",),
        (f"venue:{world.hall.id}",),
    ]


async def test_operators_see_what_waits_and_whose_fault_that_is(world: World, receivers: Street) -> None:
    async def seen() -> tuple[int, int, bool]:
        backlog = await health.webhooks_unsent(world.hub)
        return backlog.waiting, backlog.failing, backlog.seconds > 0

    well, away = receivers.inbox("well"), receivers.inbox("away", answer=refusing(503))
    assert await seen() == (0, 0, False)
    for inbox in (well, away):
        await hook(world.hub, world.owner, world.hall.id, inbox, "booking.confirmed")
    await world.book(world.slot())
    async with world.hub.reading() as db:
        assert await webhook_lanes.collect(db, job.AT_ONCE, job.MOST_WAITING) == 2
    assert await seen() == (2, 0, True)
    await job.work_off(world.hub)
    assert await seen() == (1, 1, False)


async def test_a_message_that_is_not_taken_is_tried_again_later_and_later_under_one_id(
    stand: Stand, receivers: Street
) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        asked.append(request.headers["webhook-id"])
        return web.Response(status=500)

    inbox = receivers.inbox(answer=refuse)
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 1)
    pauses = []
    for attempt in range(1, 13):
        assert await job.work_off(stand.hub) == 1
        assert await job.work_off(stand.hub) == 0
        [row] = await rows(
            stand.hub,
            """
            SELECT l.failures, m.attempts, m.answered, m.error, l.is_slow, l.lease IS NULL,
                   extract(epoch FROM l.due_at - m.tried_at)::float
            FROM webhook_lanes AS l JOIN webhook_messages AS m ON m.webhook_id = l.webhook_id
            """,
        )
        assert row[:-1] == (attempt, attempt, 500, "answered 500", True, True)
        pauses.append(row[-1])
        await let_time_pass(stand.hub)
    assert len(set(asked)) == 1
    assert 3 < pauses[0] < 7
    assert all(later > earlier * 1.2 for earlier, later in pairwise(pauses) if later < 2500)
    # An hour at most, so that within a day it is tried more than thirty times.
    assert max(pauses) <= 3600 * 1.2 + 1
    inbox.answer = taking
    await job.work_off(stand.hub)
    assert inbox.sequences == [1]
    assert (await state(stand.hub, webhook)).failing_since is None


async def test_a_receiver_that_says_when_to_come_back_is_left_alone_until_then(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox(answer=refusing(429, **{"Retry-After": "1800"}))
    await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 1)
    await job.work_off(stand.hub)
    [(pause,)] = await rows(stand.hub, "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM webhook_lanes")
    assert 1700 < pause <= 1800


async def test_one_message_that_is_refused_holds_up_no_other(stand: Stand, receivers: Street) -> None:
    async def picky(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=400 if told["data"]["id"] == 2 else 204)

    inbox = receivers.inbox(answer=picky)
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 5)
    await job.work_off(stand.hub)
    assert inbox.sequences == [1, 3, 4, 5]
    # After a day it is given up, for others were taken meanwhile; the receiver can have it sent again.
    async with stand.hub.pool.acquire() as db:
        await db.execute("UPDATE webhook_messages SET first_tried_at = clock_timestamp() - interval '25 hours'")
    await let_time_pass(stand.hub)
    await job.work_off(stand.hub)
    assert [one.status for one in await log_of(stand.hub, webhook)] == ["delivered", "failed", *["delivered"] * 3]
    assert (await state(stand.hub, webhook)).is_active
    inbox.answer = taking
    ask = ReplayWebhook(venue_id=stand.hall.id, webhook_id=webhook.id, since=1)
    assert (await webhooks.replay(stand.hub, stand.owner, ask)).messages == 4
    await let_time_pass(stand.hub)
    await job.work_off(stand.hub)
    assert inbox.sequences == [1, 3, 4, 5, 2, 3, 4, 5]
    assert len(set(inbox.ids)) == 5


async def test_messages_at_which_a_receiver_fails_hold_up_the_others_only_for_a_while(
    stand: Stand, receivers: Street
) -> None:
    async def fragile(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=500 if told["data"]["id"] in (2, 3, 4, 5) else 204)

    inbox = receivers.inbox(answer=fragile)
    await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 7)
    # They are tried once more when the receiver seems to be back, and from then on hold up nobody.
    for _ in range(10):
        await job.work_off(stand.hub)
        await let_lanes_go_on(stand.hub)
    assert inbox.sequences == [1, 6, 7]
    await tell(stand.hub, stand.hall.id, 1)
    await job.work_off(stand.hub)
    assert inbox.sequences == [1, 6, 7, 8]


async def test_a_receiver_that_refuses_everything_is_left_alone_after_a_while(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox(answer=refusing(404))
    await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 50)
    await job.work_off(stand.hub)
    assert inbox.asked == job.REFUSALS
    [(failures, pause)] = await rows(
        stand.hub, "SELECT failures, extract(epoch FROM due_at - clock_timestamp())::float FROM webhook_lanes"
    )
    assert failures == job.REFUSALS
    assert 2 < pause < 7


async def test_after_an_outage_all_that_waits_follows_in_order(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox(answer=refusing(503))
    await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 10)
    for _ in range(4):
        await job.work_off(stand.hub)
        await let_lanes_go_on(stand.hub)
    assert inbox.asked == 4
    inbox.answer = taking
    await job.work_off(stand.hub)
    # Only the message by which the receiver was found to be back comes before its turn.
    assert inbox.sequences == [5, 1, 2, 3, 4, 6, 7, 8, 9, 10]


async def test_whoever_takes_nothing_for_a_day_is_switched_off_with_notice_and_goes_on_where_it_stopped(
    stand: Stand, receivers: Street
) -> None:
    inbox = receivers.inbox(answer=refusing(500))
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 3)
    await job.work_off(stand.hub)
    async with stand.hub.pool.acquire() as db:
        await db.execute("UPDATE webhook_lanes SET failing_since = clock_timestamp() - interval '25 hours'")
        await db.execute(
            "UPDATE webhook_messages SET first_tried_at = clock_timestamp() - interval '25 hours' WHERE attempts > 0"
        )
    await let_time_pass(stand.hub)
    await job.work_off(stand.hub)
    found = await state(stand.hub, webhook)
    assert (found.is_active, found.disabled_because, found.waiting) == (False, "failing", 3)
    [(told,)] = await rows(stand.hub, "SELECT data FROM jobs WHERE kind = 'mail'")
    assert (told["template"], told["facts"]["receiver"]) == ("webhook_disabled", "127.0.0.1")
    [(asked, entity, operation)] = await rows(
        stand.hub, "SELECT asked, entity, operation FROM audit WHERE entity = 'webhook' AND operation = 'update'"
    )
    assert (asked, entity, operation) == ("webhooks", "webhook", "update")
    inbox.answer = taking
    await tell(stand.hub, stand.hall.id, 2)
    await let_time_pass(stand.hub)
    assert await job.work_off(stand.hub) == 0
    await webhooks.change(
        stand.hub, stand.owner, ChangeWebhook(venue_id=stand.hall.id, webhook_id=webhook.id, is_active=True)
    )
    await job.work_off(stand.hub)
    assert inbox.sequences == [1, 2, 3, 4, 5]


async def test_a_receiver_that_says_it_is_gone_is_switched_off_at_once(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox(answer=refusing(410))
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 2)
    await job.work_off(stand.hub)
    assert (await state(stand.hub, webhook)).disabled_because == "gone"
    assert inbox.asked == 1


@pytest.mark.abuse("P22")
async def test_a_worker_that_dies_leaves_at_most_doubles_of_the_same_id(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "LEASE", 60.0)
    inbox = receivers.inbox()
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 40)
    await job.collect(stand.hub)
    async with another(stand.hub) as dying, gateway.receivers(anywhere=True) as gate:
        sender = job.Sender(dying, gate)
        [lane] = await sender.take(10, slow=False)
        assert await job.work_off(stand.hub) == 0, "nobody else has the lane as long as its lease holds"
        turn = asyncio.create_task(sender.turn(lane))
        await inbox.until(25)
        turn.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await turn
        await let_time_pass(stand.hub)
        await job.work_off(stand.hub)
        assert set(inbox.sequences) == set(range(1, 41))
        assert len(set(inbox.ids)) == 40
        assert len(inbox.ids) <= 40 + job.BATCH
        # Who wakes up after its lease can say nothing about the lane any more.
        async with dying.reading() as db:
            assert not await webhook_lanes.delivered(db, lane, [1], [200], [1], 60, slow=False)
            assert await webhook_lanes.failed(db, lane, 1, 500, "late", 1, 60, 60, 60) is None
    assert (await state(stand.hub, webhook)).waiting == 0


async def test_a_lane_is_held_for_as_long_as_its_turn_takes(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "RENEWED_EVERY", 0.05)
    ends: list[Any] = []

    async def wait(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        while len(set(ends)) < 3:
            await asyncio.sleep(0.05)
            ends.extend(await rows(stand.hub, "SELECT due_at FROM webhook_lanes"))
        return web.Response()

    inbox = receivers.inbox(answer=wait)
    await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 1)
    await job.work_off(stand.hub)
    assert inbox.sequences == [1]
    assert ends == sorted(ends)
    assert await rows(stand.hub, "SELECT lease, due_at <= clock_timestamp() FROM webhook_lanes") == [(None, True)]


async def test_two_workers_collect_nothing_twice_and_send_to_one_receiver_one_after_the_other(
    stand: Stand, receivers: Street
) -> None:
    inboxes = [receivers.inbox(f"inbox{number}") for number in range(3)]
    for inbox in inboxes:
        await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    async with another(stand.hub) as other, working(stand.hub, other):
        for _ in range(5):
            await tell(stand.hub, stand.hall.id, 10)
        for inbox in inboxes:
            await inbox.until(50)
    for inbox in inboxes:
        assert inbox.sequences == list(range(1, 51))
        assert inbox.most_at_once == 1
    assert (
        await rows(stand.hub, "SELECT webhook_id, version FROM webhook_messages GROUP BY 1, 2 HAVING count(*) > 1")
        == []
    )


@pytest.mark.abuse("P22")
@pytest.mark.abuse("J2")
async def test_receivers_that_are_slow_dead_leading_elsewhere_or_endless_delay_nobody(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "SECONDS_TO_ANSWER", 2.0)
    never, private = asyncio.Event(), receivers.inbox("private")
    written = 0

    async def hang(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async def drown(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1600):
                await response.write(b"x" * 65_536)
                written += 65_536
        return response

    good = [receivers.inbox(f"good{number}") for number in range(4)]
    bad = [receivers.inbox(f"slow{number}", hang) for number in range(3)]
    bad += [receivers.inbox(f"elsewhere{number}", refusing(302, Location=private.url)) for number in range(2)]
    endless = [receivers.inbox(f"endless{number}", drown) for number in range(2)]
    dead = [Inbox(f"http://127.0.0.1:9/dead{number}") for number in range(3)]
    for inbox in (*bad, *dead, *endless, *good):
        await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    async with working(stand.hub):
        for _ in range(4):
            await tell(stand.hub, stand.hall.id, 10)
        for inbox in good:
            await inbox.until(40)
            assert inbox.sequences == list(range(1, 41))
    assert private.asked == 0
    assert written < sum(inbox.asked for inbox in endless) * 8 * 1024 * 1024
    delivered = await rows(
        stand.hub,
        """
        SELECT DISTINCT w.url FROM webhooks AS w JOIN webhook_messages AS m ON m.webhook_id = w.id
        WHERE m.delivered_at IS NOT NULL
        """,
    )
    assert {url for (url,) in delivered} <= {inbox.url for inbox in (*good, *endless)}


async def three_that_hang_and_a_good_one(stand: Stand, receivers: Street) -> tuple[asyncio.Event, Inbox]:
    """Open four receivers, the good one last; the event is set once one of the others was asked."""
    hangs = asyncio.Event()

    async def hang(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        hangs.set()
        await asyncio.Event().wait()
        return web.Response()

    for inbox in [receivers.inbox(f"slow{number}", hang) for number in range(3)]:
        await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    good = receivers.inbox("good")
    await hook(stand.hub, stand.owner, stand.hall.id, good)
    await tell(stand.hub, stand.hall.id, 5)
    await job.collect(stand.hub)
    return hangs, good


async def test_slow_and_failing_receivers_have_places_of_their_own(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "PLACES", {False: 1, True: 1})
    _, good = await three_that_hang_and_a_good_one(stand, receivers)
    async with stand.hub.pool.acquire() as db:
        await db.execute(
            """
            UPDATE webhook_lanes AS l SET is_slow = true FROM webhooks AS w WHERE w.id = l.webhook_id
            AND w.url LIKE '%slow%'
            """
        )
    async with working(stand.hub):
        await good.until(5)
    assert sum(inbox.asked for name, inbox in receivers.inboxes.items() if name != "good") <= 1


async def test_control_where_all_share_their_places_the_well_wait_behind_the_slow(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "PLACES", {False: 1})
    hangs, good = await three_that_hang_and_a_good_one(stand, receivers)
    async with working(stand.hub):
        await asyncio.wait_for(hangs.wait(), 60)
        await asyncio.sleep(job.PAUSE * 2)
        assert good.asked == 0


async def test_a_receiver_that_was_left_behind_is_told_that_there_is_a_gap(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox()
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    name = {"venue_id": stand.hall.id, "webhook_id": webhook.id}
    await webhooks.change(stand.hub, stand.owner, ChangeWebhook(**name, is_active=False))
    await tell(stand.hub, stand.hall.id, 5)
    async with stand.hub.pool.acquire() as db:
        await db.execute("UPDATE live_rooms SET floor = 3 WHERE room = $1", f"desk:{stand.hall.id}")
        await db.execute("DELETE FROM events WHERE room = $1 AND version <= 3", f"desk:{stand.hall.id}")
    await webhooks.change(stand.hub, stand.owner, ChangeWebhook(**name, is_active=True))
    await job.work_off(stand.hub)
    assert inbox.names == ["webhook.gap", "booking.confirmed", "booking.confirmed"]
    assert inbox.got[0]["data"] == {"room": f"desk:{stand.hall.id}", "known": 0, "next": 4, "is_void": False}
    assert [one["version"] for one in inbox.got[1:]] == [4, 5]
    # A restore begins another epoch, in which no version means what it did.
    async with stand.hub.pool.acquire() as db:
        await db.execute("SET ROLE NONE")
        await db.execute("UPDATE live_epoch SET epoch = 'after'")
    await job.work_off(stand.hub)
    await tell(stand.hub, stand.hall.id, 1)
    await job.work_off(stand.hub)
    assert inbox.names[3:] == ["webhook.gap", "booking.confirmed"]
    assert (inbox.got[3]["data"]["is_void"], inbox.got[4]["version"], inbox.got[4]["epoch"]) == (True, 6, "after")


async def test_the_log_is_read_no_further_than_a_receiver_can_follow(
    stand: Stand, receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "AT_ONCE", 10)
    monkeypatch.setattr(job, "MOST_WAITING", 20)
    inbox = receivers.inbox(answer=refusing(500))
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 45)
    await job.work_off(stand.hub)
    assert (await state(stand.hub, webhook)).waiting == 20
    inbox.answer = taking
    for _ in range(4):
        await let_time_pass(stand.hub)
        await job.work_off(stand.hub)
    assert sorted(inbox.sequences) == list(range(1, 46))


@pytest.mark.abuse("J6")
async def test_for_a_day_after_a_new_secret_both_sign(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox()
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    name = NameWebhook(venue_id=stand.hall.id, webhook_id=webhook.id)
    renewed = await webhooks.rotate(stand.hub, stand.owner, name)
    assert renewed.webhook.old_secret_until is not None
    [old] = inbox.secrets
    inbox.secrets.append(renewed.secret)
    await webhooks.try_out(stand.hub, stand.owner, name)
    await job.work_off(stand.hub)
    assert inbox.names == ["webhook.test"]
    async with stand.hub.pool.acquire() as db:
        await db.execute("UPDATE webhooks SET old_secret_until = clock_timestamp()")
    inbox.secrets = [renewed.secret]
    await webhooks.try_out(stand.hub, stand.owner, name)
    await job.work_off(stand.hub)
    assert inbox.headers[1]["webhook-signature"].count("v1,") == 1
    assert not verifies(old, inbox.headers[1], orjson.dumps(inbox.got[1]))
    # The moment is signed too, so that a receiver can refuse what is old.
    assert abs(int(inbox.headers[1]["webhook-timestamp"]) - stand.hub.clock.now().timestamp()) < 60


async def test_the_example_takes_what_is_signed_and_each_message_once(stand: Stand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    inbox = Inbox(f"http://127.0.0.1:{port}/")
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLE, str(port)),
        env=os.environ | {"WEBHOOK_SECRET": inbox.secrets[0]},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await tell(stand.hub, stand.hall.id, 2)
        async with asyncio.timeout(60):
            while (await state(stand.hub, webhook)).last_sequence == 0 or (await state(stand.hub, webhook)).waiting:
                await let_time_pass(stand.hub)
                await job.work_off(stand.hub)
                await asyncio.sleep(0.05)
            replay = ReplayWebhook(venue_id=stand.hall.id, webhook_id=webhook.id, since=0)
            assert (await webhooks.replay(stand.hub, stand.owner, replay)).messages == 2
            await tell(stand.hub, stand.hall.id, 1)
            await job.work_off(stand.hub)
            assert process.stdout
            lines = [(await process.stdout.readline()).decode().split(" ", 2) for _ in range(3)]
        assert [line[:2] for line in lines] == [[str(number), "booking.confirmed"] for number in (1, 2, 3)]
        async with gateway.receivers(anywhere=True) as gate:
            forged = gateway.signed([b"another secret"], uuid4(), stand.hub.clock.now(), b"{}")
            assert (await gate.post(inbox.url, forged, b"{}")).status == 401
    finally:
        process.kill()
        await process.wait()


async def test_old_messages_are_forgotten_whether_they_were_taken_or_not(stand: Stand, receivers: Street) -> None:
    inbox = receivers.inbox()
    webhook = await hook(stand.hub, stand.owner, stand.hall.id, inbox)
    await tell(stand.hub, stand.hall.id, 3)
    await job.work_off(stand.hub)
    async with stand.hub.pool.acquire() as db:
        await db.execute("UPDATE webhook_messages SET made_at = now() - interval '8 days' WHERE sequence < 3")
    await housekeeping.forget(stand.hub)
    assert [one.sequence for one in await log_of(stand.hub, webhook)] == [3]
    ask = ListDeliveries(venue_id=stand.hall.id, webhook_id=webhook.id, status="delivered")
    assert (await webhooks.deliveries(stand.hub, stand.owner, ask)).meta.total_items == 1
    async with stand.hub.work(GUEST) as work:
        await webhooks.store.lock(work.db, webhook.id)
        await webhooks.store.delete(work.db, webhook.id)
    assert await rows(stand.hub, "SELECT webhook_id FROM webhook_messages") == []
