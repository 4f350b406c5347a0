"""Bookings over HTTP, and how soon watchers know, beside Fastify with pg and Socket.IO in the same run."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle

import orjson

from hub.bench import askers
from hub.bench.askers import UNAVAILABLE, Answers
from hub.bench.crowd import Crowd
from hub.bench.holds import RUSH, ratio_of
from hub.bench.shops import WORKERS, Person, Shop, node_shop, the_hub
from hub.settings import Settings
from storage import bench as ground

# Session 1 never sells out.
HOT = 1
FIRST_SCARCE = 2
DAYS = 600
ROOMS = ground.VENUES * ground.ROOMS_EACH


@dataclass(frozen=True)
class Pace:
    """How long everything is measured, and by how large a crowd."""

    rounds: int = 3
    seconds: float = 4.0
    connections: int = 512
    regulars: int = 4000
    watchers: int = 500
    bookings_a_second: int = 10
    rush: int = RUSH
    people: int = RUSH


@dataclass
class Figures:
    """What one shop did, a figure a round."""

    slots: list[float] = field(default_factory=list)
    slot_p99: list[float] = field(default_factory=list)
    slot_cpu: list[float] = field(default_factory=list)
    slot_database_cpu: list[float] = field(default_factory=list)
    hot: list[float] = field(default_factory=list)
    hot_cpu: list[float] = field(default_factory=list)
    rush_seconds: list[float] = field(default_factory=list)
    rush_sold: list[int] = field(default_factory=list)
    rush_refused: list[int] = field(default_factory=list)
    delivery_p50: list[float] = field(default_factory=list)
    delivery_p99: list[float] = field(default_factory=list)


async def run(settings: Settings, pace: Pace = Pace()) -> None:
    """Measure both and print the ratios beside their goals."""
    print(
        f"{os.cpu_count()} cores; {WORKERS} processes each, {pace.connections} clients; {pace.rounds} rounds, medians"
    )
    print(report(await measure(settings, pace)), flush=True)


async def measure(settings: Settings, pace: Pace, *, with_node: bool = True) -> dict[str, Figures]:
    """Let the shops take turns, so that a machine that slows down slows both."""
    async with AsyncExitStack() as stack:
        hub, people = await stack.enter_async_context(the_hub(settings, pace.rounds, pace.people))
        shops = {"hub": hub}
        if with_node and shutil.which("node") and shutil.which("npm"):
            shops["Fastify"] = await stack.enter_async_context(node_shop(settings, pace.rounds))
        figures = {name: Figures() for name in shops}
        for shop in shops.values():
            # What is read, compiled or planned at first sight is not what is measured.
            first = zip(people[: pace.regulars], cycle(range(1, ROOMS + 1)), strict=False)
            asks = (_request(shop.port, person, _slot(room_id)) for person, room_id in first)
            _placed(await askers.ask(shop.port, pace.connections, asks))
        for number in range(pace.rounds):
            for name, shop in shops.items():
                await _timed(shop, people, pace, figures[name], seconds=pace.seconds)
                await _rush(shop, people, pace, FIRST_SCARCE + number, figures[name])
                await _watched(shop, people, pace, figures[name])
    return figures


def _request(port: int, person: Person, item: dict[str, object]) -> bytes:
    body = orjson.dumps({"items": [item]})
    key = secrets.token_hex(8)
    return (
        f"POST /api/v1/bookings HTTP/1.1\r\nHost: localhost:{port}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    ).encode() + b"%b\r\n%b" % (person.head, body)


def _slot(room_id: int | None = None) -> dict[str, object]:
    """Ask for a random hour in a random room, or in this one."""
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    begin = tomorrow + timedelta(hours=random.randrange(DAYS * 24))  # noqa: S311 - chance, not a secret
    room_id = room_id or random.randint(1, ROOMS)  # noqa: S311
    return {
        "kind": "slot",
        "room_id": room_id,
        "starts_at": begin.isoformat(),
        "ends_at": (begin + timedelta(hours=1)).isoformat(),
    }


def _place(session_id: int) -> dict[str, object]:
    return {"kind": "place", "session_id": session_id}


def _for_seconds(seconds: float, make: Callable[[], bytes]) -> Iterator[bytes]:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield make()


async def _timed(shop: Shop, people: list[Person], pace: Pace, into: Figures, seconds: float) -> None:
    """Book free slots all over the town, and then places in one session that everybody wants."""
    waiting = cycle(random.sample(people[: pace.regulars], pace.regulars))
    begun, used = await shop.database_cpu(), shop.cpu()
    slots = await askers.ask(
        shop.port,
        pace.connections,
        _for_seconds(seconds, lambda: _request(shop.port, next(waiting), _slot())),
    )
    cpu, ended = shop.cpu() - used, await shop.database_cpu()
    into.slots.append(_placed(slots) / slots.seconds)
    into.slot_p99.append(slots.p99)
    into.slot_cpu.append(cpu / slots.placed * 1e3)
    in_database = sum(cpu - begun.get(pid, 0.0) for pid, cpu in ended.items())
    into.slot_database_cpu.append(in_database / slots.placed * 1e3)
    used = shop.cpu()
    hot = await askers.ask(
        shop.port,
        pace.connections,
        _for_seconds(seconds, lambda: _request(shop.port, next(waiting), _place(HOT))),
    )
    into.hot.append(_placed(hot) / hot.seconds)
    into.hot_cpu.append((shop.cpu() - used) / hot.placed * 1e3)


def _placed(answers: Answers) -> int:
    strange = {status: times for status, times in answers.statuses.items() if status not in (201, 409, UNAVAILABLE)}
    if strange:
        raise AssertionError(f"the answers were of status {dict(answers.statuses)}")
    return answers.placed


async def _rush(shop: Shop, people: list[Person], pace: Pace, session_id: int, into: Figures) -> None:
    """Let more people than there are places ask for them, each once."""
    crowd = random.sample(people, pace.rush)
    asks = iter([_request(shop.port, person, _place(session_id)) for person in crowd])
    answers = await askers.ask(shop.port, pace.connections, asks)
    placed = _placed(answers)
    if shop.pool is not None:
        claimed, counted = await ground.sold(shop.pool, session_id)
        if not claimed == counted == placed:
            raise AssertionError(f"{placed} were told yes, {claimed} are claimed, {counted} are counted")
    into.rush_seconds.append(answers.seconds)
    into.rush_sold.append(placed)
    into.rush_refused.append(answers.statuses[409])


async def _watched(shop: Shop, people: list[Person], pace: Pace, into: Figures) -> None:
    """Book at a steady pace at a venue that a crowd watches, and note when each of the crowd knows."""
    crowd = Crowd(shop.port)
    await crowd.grow(pace.watchers)
    await crowd.watch(1)
    waits: list[float] = []
    asked = 0.0
    count_them = crowd.heard

    def note(heard: int) -> None:
        waits.extend([time.perf_counter() - asked] * heard)
        count_them(heard)

    crowd.heard = note
    rooms, begun = cycle(range(1, ground.ROOMS_EACH + 1)), time.perf_counter()
    for number, person in zip(count(), random.sample(people, int(pace.seconds * pace.bookings_a_second)), strict=False):
        await asyncio.sleep(max(0.0, begun + number / pace.bookings_a_second - time.perf_counter()))
        request = _request(shop.port, person, _slot(next(rooms)))
        asked, due = time.perf_counter(), crowd.deliveries + pace.watchers
        if _placed(await askers.ask(shop.port, 1, iter([request]))):
            await crowd.reach(due)
    crowd.leave()
    quantiles = statistics.quantiles(waits, n=100)
    into.delivery_p50.append(quantiles[49] * 1e3)
    into.delivery_p99.append(quantiles[98] * 1e3)


def report(measured: dict[str, Figures]) -> str:
    """Write the figures as a table, and the hub's ratios beside their goals."""
    rows: list[tuple[str, Callable[[Figures], list[float]], str]] = [
        ("bookings of slots/s", lambda one: one.slots, ",.0f"),
        ("p99 ms of these", lambda one: one.slot_p99, ".0f"),
        ("CPU ms each", lambda one: one.slot_cpu, ".3f"),
        ("PostgreSQL's CPU ms each", lambda one: one.slot_database_cpu, ".3f"),
        ("bookings/s of one hot session", lambda one: one.hot, ",.0f"),
        ("CPU ms each", lambda one: one.hot_cpu, ".3f"),
        (f"s for {RUSH:,} asks", lambda one: one.rush_seconds, ".2f"),
        ("p50 ms from POST to a watcher", lambda one: one.delivery_p50, ".1f"),
        ("p99 ms from POST to a watcher", lambda one: one.delivery_p99, ".1f"),
    ]
    lines = [f"{'':36}" + "".join(f"{name:>16}" for name in measured)]
    for what, of, form in rows:
        lines.append(
            f"{what:36}" + "".join(f"{format(statistics.median(of(one)), form):>16}" for one in measured.values())
        )
    return "\n".join([*lines, "", *_judged(measured)])


def _judged(measured: dict[str, Figures]) -> list[str]:
    hub, node = measured["hub"], measured.get("Fastify")
    lines: list[str] = []

    def judge(what: str, ratio: float, goal: float, *, at_most: bool = False) -> None:
        met = ratio <= goal if at_most else ratio >= goal
        lines.append(f"{what:58}{ratio:8.2f}  goal {'<=' if at_most else '>='} {goal:<6}{'met' if met else 'missed'}")

    if node is not None:
        judge("bookings of slots beside Node", ratio_of(hub.slots, node.slots), 3)
        judge("CPU each beside Node's", ratio_of(hub.slot_cpu, node.slot_cpu), 1, at_most=True)
        judge("one hot session beside Node", ratio_of(hub.hot, node.hot), 5)
        judge(
            "p99 from POST to a watcher beside Node's", ratio_of(hub.delivery_p99, node.delivery_p99), 1, at_most=True
        )
    sold = " or ".join(f"{sold:,} sold, {refused:,} refused" for sold, refused in sorted(_outcomes(hub)))
    judge(f"seconds for {RUSH:,} asks: {sold}", statistics.median(hub.rush_seconds), 2, at_most=True)
    return lines


def _outcomes(one: Figures) -> set[tuple[int, int]]:
    return set(zip(one.rush_sold, one.rush_refused, strict=True))
