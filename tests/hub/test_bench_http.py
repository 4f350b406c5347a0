"""The bench of bookings over HTTP: it measures what it says, sells no place twice, and leaves nothing behind."""

from __future__ import annotations

import pytest

from hub.bench import http
from hub.settings import Settings
from tests.hub.test_bench import databases


@pytest.mark.slow
async def test_two_workers_sell_every_place_once_to_a_small_crowd(settings: Settings) -> None:
    pace = http.Pace(
        rounds=1, seconds=0.5, connections=8, regulars=20, watchers=10, bookings_a_second=8, rush=60, people=60
    )
    measured = await http.measure(settings, pace, with_node=False)
    hub = measured["hub"]
    assert (hub.rush_sold, hub.rush_refused) == ([60], [0])
    for figures in (hub.slots, hub.slot_cpu, hub.slot_database_cpu, hub.hot, hub.delivery_p99):
        assert figures[0] > 0
    assert "60 sold, 0 refused" in http.report(measured)
    assert await databases(settings) == set()


def test_the_hub_and_its_peer_are_compared_round_by_round() -> None:
    # the machine ran at half its speed in the second round, which changes no ratio
    def shop(times: float) -> http.Figures:
        rates, costs = [100 * times, 50 * times], [1 / times, 2 / times]
        return http.Figures(
            slots=rates,
            slot_p99=costs,
            slot_cpu=costs,
            slot_database_cpu=costs,
            hot=rates,
            hot_cpu=costs,
            rush_seconds=costs,
            rush_sold=[10_000, 10_000],
            rush_refused=[2_000, 2_000],
            delivery_p50=costs,
            delivery_p99=costs,
        )

    shown = http.report({"hub": shop(4), "Fastify": shop(1)}).splitlines()
    assert [line.split()[-1] for line in shown[-5:]] == ["met", "met", "missed", "met", "met"]
    assert "10,000 sold, 2,000 refused" in shown[-1]
