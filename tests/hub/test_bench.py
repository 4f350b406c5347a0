"""The bench of holds: it measures what it says, sells no place twice, and leaves nothing behind."""

from __future__ import annotations

import asyncpg
import pytest

from hub.bench import holds, live
from hub.bench.holds import Measured, Pace
from hub.settings import Settings


async def databases(settings: Settings) -> set[str]:
    assert settings.database_url
    server = await asyncpg.connect(settings.database_url)
    try:
        rows = await server.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'hub_bench_%'")
    finally:
        await server.close()
    return {row["datname"] for row in rows}


async def test_one_short_round_measures_everything_and_sells_every_place_once(settings: Settings) -> None:
    async with holds.open_ground(settings) as (hub, url):
        measured = await holds.measure(hub, url, Pace(rounds=1, seconds=0.5, seconds_of_warming=1))
    assert measured.rush_sold == [10_000]
    assert measured.rush_refused == [2_000]
    for rates in (measured.slots_pgbench, measured.slots_single, measured.slots_batched):
        assert rates[0] > 0
    assert measured.hot_batched[0] > measured.hot_pgbench[0] > 0
    assert measured.hot_batched[0] > measured.hot_pgbench_waiting[0] > 0
    assert "10,000 sold, 2,000 refused" in holds.report(measured)
    assert await databases(settings) == set()


def test_ratios_are_compared_round_by_round() -> None:
    # the machine ran at half its speed in the second round, which changes no ratio
    measured = Measured(
        slots_pgbench=[100, 50, 100],
        slots_single=[80, 40, 80],
        slots_batched=[200, 100, 200],
        hot_pgbench=[16, 8, 16],
        hot_pgbench_waiting=[10, 5, 10],
        hot_batched=[200, 100, 200],
        hot_crowded=[290, 145, 290],
        rush_seconds=[1.0],
        rush_sold=[10_000],
        rush_refused=[2_000],
    )
    shown = holds.report(measured).splitlines()
    assert [line.split()[-1] for line in shown[2:4]] == ["met", "met"]
    assert shown[5].split()[-1] == "12.50"
    assert shown[7].split()[-3:] == ["20.00", "20.00", "met"]
    assert shown[8].split()[-3:] == ["29.00", "30.00", "missed"]
    assert holds.ratio_of([70, 20], [100, 50]) == pytest.approx(0.55)


async def test_a_small_crowd_hears_the_hub_and_its_peer_alike(settings: Settings) -> None:
    pace = live.Pace(rounds=1, seconds=0.3, watchers=40, idle=20, leaving=40, single_events=3)
    measured = await live.measure(settings, pace, with_node=False)
    assert set(measured) == {"hub", "stock python-socketio"}
    for figures in measured.values():
        for rates in (figures.bursts, figures.p99, figures.acks, figures.connects):
            assert len(rates) == 1
            assert rates[0] > 0
    assert "bursts beside stock python-socketio" in live.report(measured)
    assert await databases(settings) == set()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_goals_are_met(settings: Settings) -> None:
    async with holds.open_ground(settings) as (hub, url):
        measured = await holds.measure(hub, url, Pace())
    report = holds.report(measured)
    assert "missed" not in report, report
