"""What a worker delivers and what it costs, beside python-socketio and Socket.IO on Node in the same run."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

from hub.bench.crowd import Crowd
from hub.bench.holds import ratio_of
from hub.bench.servers import EVENT_BYTES, Server, node_peer, stock_peer, the_hub
from hub.settings import Settings

IN_FLIGHT = 8
ASKING = 32
EVENTS_A_SECOND = 10


Opener = Callable[[], AbstractAsyncContextManager[Server]]


@dataclass(frozen=True)
class Pace:
    """How long everything is measured, and by how large a crowd."""

    rounds: int = 3
    seconds: float = 3.0
    watchers: int = 1000
    idle: int = 2000
    leaving: int = 5000
    single_events: int = 50


@dataclass
class Figures:
    """What one server did, a figure a round."""

    bursts: list[float] = field(default_factory=list)
    burst_cpu: list[float] = field(default_factory=list)
    single_cpu: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    acks: list[float] = field(default_factory=list)
    ack_cpu: list[float] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)
    connect_cpu: list[float] = field(default_factory=list)
    kib: list[float] = field(default_factory=list)
    leaving_cpu: list[float] = field(default_factory=list)


async def run(settings: Settings, pace: Pace = Pace()) -> None:
    """Measure all three and print the ratios beside their goals."""
    crowd = f"{pace.watchers:,} watchers, events of {EVENT_BYTES} bytes"
    print(f"{os.cpu_count()} cores; {crowd}; {pace.rounds} rounds, medians")
    print(report(await measure(settings, pace)), flush=True)


async def measure(settings: Settings, pace: Pace, *, with_node: bool = True) -> dict[str, Figures]:
    """Let the servers take turns, so that a machine that slows down slows all of them."""
    openers: dict[str, Callable[[], AbstractAsyncContextManager[Server]]] = {
        "hub": partial(the_hub, settings),
        "stock python-socketio": stock_peer,
    }
    if with_node and shutil.which("node") and shutil.which("npm"):
        openers["Node socket.io"] = partial(node_peer, settings.data)
    figures = {name: Figures() for name in openers}
    for _ in range(pace.rounds):
        for name, opened in openers.items():
            async with opened() as server:
                await _round(server, pace, figures[name])
    return figures


async def _round(server: Server, pace: Pace, into: Figures) -> None:
    crowd = Crowd(server.port)
    # First of all: later the server has memory to spare from those who were here before.
    empty = server.kib()
    await crowd.grow(pace.idle)
    into.kib.append((server.kib() - empty) / pace.idle)
    await crowd.grow(pace.leaving - pace.idle)
    used = server.cpu()
    crowd.leave()
    await asyncio.sleep(pace.seconds)
    into.leaving_cpu.append(server.cpu() - used)
    used = server.cpu()
    into.connects.append(pace.watchers / await crowd.grow(pace.watchers))
    into.connect_cpu.append((server.cpu() - used) / pace.watchers * 1e6)
    await crowd.watch(1)
    await _single(server, crowd, pace.single_events, into)
    await _bursts(server, crowd, pace.seconds, into)
    into.p99.append(await _paced(server, crowd, pace.seconds))
    used, answered = server.cpu(), crowd.answers
    into.acks.append(await crowd.keep_asking(ASKING, "hub.time", {}, pace.seconds))
    into.ack_cpu.append((server.cpu() - used) / (crowd.answers - answered) * 1e6)
    crowd.leave()


async def _single(server: Server, crowd: Crowd, events: int, into: Figures) -> None:
    watchers = len(crowd.clients)
    used, due = server.cpu(), crowd.deliveries
    for _ in range(events):
        due += watchers
        await server.tell()
        await crowd.reach(due)
    into.single_cpu.append((server.cpu() - used) / (events * watchers) * 1e6)


async def _bursts(server: Server, crowd: Crowd, seconds: float, into: Figures) -> None:
    watchers, begun = len(crowd.clients), time.perf_counter()
    used, first = server.cpu(), crowd.deliveries
    due = first

    async def keep_telling() -> None:
        nonlocal due
        while time.perf_counter() - begun < seconds:
            due += watchers
            mine = due
            await server.tell()
            await crowd.reach(mine)

    await asyncio.gather(*(keep_telling() for _ in range(IN_FLIGHT)))
    delivered, took = crowd.deliveries - first, time.perf_counter() - begun
    into.bursts.append(delivered / took)
    into.burst_cpu.append((server.cpu() - used) / delivered * 1e6)


async def _paced(server: Server, crowd: Crowd, seconds: float) -> float:
    """Tell events at a steady pace; answers the 99th percentile of the milliseconds until a client has one."""
    watchers, events = len(crowd.clients), int(seconds * EVENTS_A_SECOND)
    told: list[float] = []
    waits: list[float] = []
    count = crowd.heard

    def note(heard: int) -> None:
        now = time.perf_counter()
        waits.extend(now - told[min(len(waits) // watchers, len(told) - 1)] for _ in range(heard))
        count(heard)

    crowd.heard = note
    begun, due = time.perf_counter(), crowd.deliveries + events * watchers
    for number in range(events):
        await asyncio.sleep(max(0.0, begun + number / EVENTS_A_SECOND - time.perf_counter()))
        told.append(time.perf_counter())
        await server.tell()
    await crowd.reach(due)
    crowd.heard = count
    return statistics.quantiles(waits, n=100)[98] * 1000


def report(measured: dict[str, Figures]) -> str:
    """Write the figures as a table, and the hub's ratios beside their goals."""
    rows: list[tuple[str, Callable[[Figures], list[float]], str]] = [
        ("deliveries/s, 8 in flight", lambda one: one.bursts, ",.0f"),
        ("CPU us a delivery, 8 in flight", lambda one: one.burst_cpu, ".1f"),
        ("CPU us a delivery, one by one", lambda one: one.single_cpu, ".1f"),
        ("p99 ms at 10 events/s", lambda one: one.p99, ".1f"),
        ("acknowledgements/s, 32 clients", lambda one: one.acks, ",.0f"),
        ("CPU us an acknowledgement", lambda one: one.ack_cpu, ".1f"),
        ("connects/s", lambda one: one.connects, ",.0f"),
        ("CPU us a connect", lambda one: one.connect_cpu, ".0f"),
        ("KiB an idle connection", lambda one: one.kib, ".1f"),
        ("CPU s while 5,000 leave at once", lambda one: one.leaving_cpu, ".2f"),
    ]
    names = list(measured)
    lines = [f"{'':36}" + "".join(f"{name:>24}" for name in names)]
    for what, of, form in rows:
        lines.append(
            f"{what:36}" + "".join(f"{format(statistics.median(of(measured[name])), form):>24}" for name in names)
        )
    return "\n".join([*lines, "", *_judged(measured)])


def _judged(measured: dict[str, Figures]) -> list[str]:
    hub, stock, node = (measured.get(name) for name in ("hub", "stock python-socketio", "Node socket.io"))
    assert hub is not None
    lines: list[str] = []

    def judge(what: str, ratio: float, goal: float, *, at_most: bool = False) -> None:
        met = ratio <= goal if at_most else ratio >= goal
        lines.append(f"{what:58}{ratio:8.2f}  goal {'<=' if at_most else '>='} {goal:<6}{'met' if met else 'missed'}")

    if stock is not None:
        judge("bursts beside stock python-socketio", ratio_of(hub.bursts, stock.bursts), 12)
    if node is not None:
        judge("bursts beside Node", ratio_of(hub.bursts, node.bursts), 3)
        judge("CPU of a single broadcast beside Node's", ratio_of(hub.single_cpu, node.single_cpu), 0.8, at_most=True)
        judge("p99 at a steady pace beside Node's", ratio_of(hub.p99, node.p99), 1, at_most=True)
        judge("acknowledgements beside Node", ratio_of(hub.acks, node.acks), 1.3)
        judge("connects beside Node", ratio_of(hub.connects, node.connects), 1)
    judge("CPU seconds while 5,000 leave", statistics.median(hub.leaving_cpu), 0.3, at_most=True)
    judge("KiB an idle connection", statistics.median(hub.kib), 27, at_most=True)
    return lines
