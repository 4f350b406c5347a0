"""The short version of the fault runs: what must hold on any machine, and that it is found broken without its guard."""

import pytest

from hub.torture.play import Row, Scale
from hub.torture.promises import PROMISES
from hub.torture.run import Options, PromiseBroken, run
from hub.torture.table import table_of

# What every commit is judged by; the others run with `pytest -m slow`, as do their controls.
ALWAYS = ("P1", "P4", "P7")
CONTROLLED = ("P1",)


async def played(*only: str, control: bool = False) -> list[Row]:
    said: list[str] = []
    try:
        return await run(Options(Scale(is_quick=True), only, control=control), said.append)
    except PromiseBroken as broken:
        pytest.fail("\n".join([*said, str(broken)]))


@pytest.mark.timeout(300)
async def test_bookings_and_events_live_through_crashes_cuts_and_outages() -> None:
    rows = await played(*ALWAYS)
    assert [row.promise.id for row in rows] == list(ALWAYS), table_of(rows)


@pytest.mark.timeout(300)
async def test_control_without_locks_and_constraints_something_is_sold_twice() -> None:
    (row,) = await played(*CONTROLLED, control=True)
    assert "the database is sound" in [mark.what for mark in row.broken]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("promise", [name for name in PROMISES if name not in ALWAYS])
async def test_every_other_promise_holds_under_its_faults(promise: str) -> None:
    await played(promise)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("promise", [name for name in PROMISES if name not in CONTROLLED])
async def test_control_every_other_promise_is_found_broken_without_its_guard(promise: str) -> None:
    await played(promise, control=True)
