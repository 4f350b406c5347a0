"""The replay of real bookings against a count that knows nothing of the hub."""

from __future__ import annotations

import asyncio
import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest

from hub.errors import HubError
from hub.jobs import hotel_bookings, import_bookings
from hub.jobs.import_bookings import Report
from tests.doors import ListeningHub
from tests.reference import counting

FILE = Path(__file__).parents[2] / "samples" / "hotel_bookings.csv.gz"


def part(tmp_path_factory: pytest.TempPathFactory, step: int) -> Path:
    """Keep every so-many-th row, of both hotels and all seasons."""
    heading, *rows = gzip.decompress(FILE.read_bytes()).decode().splitlines()
    path = tmp_path_factory.mktemp("bookings") / f"every_{step}th.csv"
    path.write_text("\n".join([heading, *rows[::step]]))
    return path


@pytest.fixture(scope="session")
def every_tenth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return part(tmp_path_factory, 10)


@pytest.fixture(scope="session")
def every_fiftieth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return part(tmp_path_factory, 50)


def sizes(path: Path, pool_size: str) -> dict[tuple[str, str], int]:
    return import_bookings.pool_sizes(pool_size, counting.peaks(path))


def compare(report: Report, counted: counting.Counted) -> None:
    assert {line for line, outcome in report.outcomes.items() if outcome == "accepted"} == counted.accepted
    assert {line for line, outcome in report.outcomes.items() if outcome == "refused"} == counted.refused
    assert report.cancelled == counted.cancelled
    assert dict(report.dirty) == counted.dirty


async def standing(hub: ListeningHub) -> dict[str, int]:
    """Count the bookings by how they stand in the database."""
    async with hub.pool.acquire() as db:
        rows = await db.fetch("SELECT status, count(*) FROM bookings GROUP BY status")
        short = await db.fetchval(
            """
            SELECT count(*) FROM pool_nights AS p
            WHERE p.taken <> (SELECT coalesce(sum(c.quantity), 0) FROM claims AS c
                              WHERE c.room_type_id = p.room_type_id AND c.night = p.night)
            """
        )
    assert short == 0
    return {row["status"]: row["count"] for row in rows}


@pytest.mark.parametrize(
    "pool_size",
    [*(pytest.param(size, marks=pytest.mark.slow) for size in ("1", "4", "peak")), "A=9,D=2"],
)
async def test_booking_by_booking_the_hub_decides_like_the_count(
    hub: ListeningHub, every_tenth: Path, pool_size: str
) -> None:
    report = await import_bookings.run(hub, every_tenth, pool_size)
    counted = counting.count(every_tenth, sizes(every_tenth, pool_size))
    compare(report, counted)
    assert counted.accepted
    assert counted.cancelled
    assert await standing(hub) == {
        "confirmed": len(counted.accepted - counted.cancelled),
        "cancelled": len(counted.cancelled),
    }


def test_small_pools_refuse_many_and_large_ones_nobody(every_tenth: Path) -> None:
    scarce = counting.count(every_tenth, sizes(every_tenth, "1"))
    ample = counting.count(every_tenth, sizes(every_tenth, "1000"))
    assert len(scarce.refused) > 500
    assert not ample.refused


async def test_a_second_run_does_nothing_and_says_the_same(hub: ListeningHub, every_fiftieth: Path) -> None:
    first = await import_bookings.run(hub, every_fiftieth, "3")
    before, told = await standing(hub), len(hub.told)
    second = await import_bookings.run(hub, every_fiftieth, "3")
    assert (second.outcomes, second.cancelled, second.dirty) == (first.outcomes, first.cancelled, first.dirty)
    assert await standing(hub) == before
    assert len(hub.told) == told
    assert second.made == 0


async def test_an_interrupted_run_goes_on_where_it_stopped(hub: ListeningHub, every_fiftieth: Path) -> None:
    for so_far in (60, 150, 260):
        reached = asyncio.Event()

        def watch(done: int, of: int, so_far: int = so_far, reached: asyncio.Event = reached) -> None:
            if done == so_far:
                reached.set()

        running = asyncio.create_task(import_bookings.run(hub, every_fiftieth, "2", watch))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        # The next run is on another day, and must not move the rest by more weeks than the first did.
        hub.clock._anchor += timedelta(days=5)
    report = await import_bookings.run(hub, every_fiftieth, "2")
    compare(report, counting.count(every_fiftieth, sizes(every_fiftieth, "2")))
    async with hub.pool.acquire() as db:
        shifts = await db.fetchval("SELECT count(DISTINCT extract(isodow FROM check_in)) FROM booking_items")
    assert shifts == 7


async def test_a_dirty_row_is_reported_with_its_line_and_changes_nothing(hub: ListeningHub, tmp_path: Path) -> None:
    heading = gzip.decompress(FILE.read_bytes()).decode().splitlines()[0]
    good = (
        "City Hotel,0,10,2016,May,20,9,0,2,2,0,0,BB,PRT,Direct,Direct,0,0,0,A,A,0,No Deposit,NULL,NULL,0,Transient,"
        "75.5,0,0,Check-Out,5/11/2016"
    )
    broken = {
        "no nights": good.replace(",0,2,2,0,0,BB", ",0,0,2,0,0,BB"),
        "no adults": good.replace(",0,2,2,0,0,BB", ",0,2,0,2,0,BB"),
        "negative rate": good.replace("75.5", "-6.38"),
        "bad date": good.replace("2016,May,20,9", "2016,February,6,30"),
        "unreadable number": good.replace(",0,10,", ",0,ten,"),
        "unknown hotel, room type or status": good.replace("City Hotel", "Hotel Aurora"),
        "cancelled before it was made": good.replace("Check-Out,5/11/2016", "Canceled,1/1/2016"),
        "too many fields": good + ",more",
    }
    path = tmp_path / "dirty.csv"
    path.write_text("\n".join([heading, good, *broken.values(), good.replace("75.5", "nan"), "City Hotel,0"]))
    report = await import_bookings.run(hub, path, "5")
    assert report.outcomes == {2: "accepted"}
    assert report.dirty == [
        *((line, cause) for line, cause in enumerate(broken, start=3)),
        (len(broken) + 3, "unreadable number"),
        (len(broken) + 4, "unknown hotel, room type or status"),
    ]
    assert await standing(hub) == {"confirmed": 1}
    assert report.sentence.startswith("11 rows: 1 accepted, 0 refused, 0 cancelled, 10 dirty (2 unreadable number, ")


async def test_everything_is_moved_by_the_same_whole_weeks_into_the_future(
    hub: ListeningHub, every_fiftieth: Path
) -> None:
    rows, _ = hotel_bookings.read(every_fiftieth)
    today = hub.clock.now().date()
    weeks = hotel_bookings.weeks_to_move(rows, today)
    first = min(row.made for row in rows)
    assert timedelta(days=1) < first + timedelta(weeks=weeks) - today <= timedelta(days=8)
    await import_bookings.run(hub, every_fiftieth, "1000")
    async with hub.pool.acquire() as db:
        moved = await db.fetch(
            """
            SELECT split_part(b.notes, '-', 1) AS row, i.check_in, i.check_out
            FROM bookings AS b JOIN booking_items AS i ON i.booking_id = b.id
            """
        )
        # What happened long ago is no news to anybody.
        assert await db.fetchval("SELECT count(*) FROM jobs") == 0
    found = {int(one["row"].removeprefix("Row ")): (one["check_in"], one["check_out"]) for one in moved}
    assert found == {
        row.line: (row.arrival + timedelta(weeks=weeks), row.arrival + timedelta(weeks=weeks, days=row.nights))
        for row in rows
    }


async def test_pool_sizes_are_a_number_or_the_peak_or_given_by_letter(hub: ListeningHub, every_fiftieth: Path) -> None:
    peaks = counting.peaks(FILE)
    assert peaks == hotel_bookings.peaks(hotel_bookings.read(FILE)[0])
    resort = {letter: size for (hotel, letter), size in peaks.items() if hotel == "Resort Hotel"}
    city = {letter: size for (hotel, letter), size in peaks.items() if hotel == "City Hotel"}
    assert resort == {"A": 98, "D": 36, "E": 23, "F": 9, "C": 7, "G": 6, "H": 5, "L": 1}
    assert city == {"A": 199, "D": 29, "B": 7, "F": 7, "E": 4, "C": 1, "G": 1}
    assert import_bookings.pool_sizes("A=5,L=2", peaks)["Resort Hotel", "A"] == 5
    assert import_bookings.pool_sizes("A=5,L=2", peaks)["City Hotel", "D"] == 29
    for wrong in ("", "A", "A=", "A=5;D=6", "A=5,A=6", "-1", "1.5", "many", "5,A=6", "X=5"):
        with pytest.raises(HubError, match="pool size"):
            import_bookings.pool_sizes(wrong, peaks)
    await import_bookings.run(hub, every_fiftieth, "3")
    with pytest.raises(HubError, match="earlier import"):
        await import_bookings.run(hub, every_fiftieth, "4")


async def test_a_file_of_something_else_is_refused_in_a_sentence(hub: ListeningHub, tmp_path: Path) -> None:
    for name, content in (
        ("other.csv", b"name,price\nRoom,5\n"),
        ("empty.csv", b""),
        ("binary.csv", bytes(range(256))),
        ("broken.csv.gz", FILE.read_bytes()[:5000]),
        ("plain.csv.gz", b"hotel,lead_time\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HubError, match=name):
            await import_bookings.run(hub, tmp_path / name, "3")
    assert await standing(hub) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pool_size", ["peak", "20"])
async def test_the_whole_file_agrees_with_the_count(hub: ListeningHub, pool_size: str) -> None:
    report = await import_bookings.run(hub, FILE, pool_size)
    compare(report, counting.count(FILE, sizes(FILE, pool_size)))


def test_the_count_frees_a_night_before_it_fills_it_again() -> None:
    assert counting.arrival(
        {"arrival_date_year": "2016", "arrival_date_month": "May", "arrival_date_day_of_month": "9"}
    ) == date(2016, 5, 9)
