"""P1 by one more path: a file of bookings is imported while guests want the same nights of the same pool."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from hub.jobs import hotel_bookings, import_bookings
from hub.torture.asking import Asker, Person
from hub.torture.play import Play
from storage import imports, torture

_HOTEL, _LETTER = hotel_bookings.HOTELS[1], "A"
_ROOMS = 4
# Days ahead of the first arrival, far enough that the import need not move its file into the future.
_FIRST_DAY, _DAYS, _LEAD = 120, 20, 90
_GUESTS = 10
_SECONDS_TO_OPEN = 60.0
_CLOSING_LINE = re.compile(r"\b([0-9,]{1,12}) accepted, ([0-9,]{1,12}) refused")


async def import_beside_guests(play: Play, asker: Asker, guests: Sequence[Person]) -> None:
    """Import a file by a process of its own, let guests book what it books, and judge what each was told."""
    rows = play.many(400, 40, f"rows imported beside {_GUESTS} guests")
    file = play.servers.folder / "import.csv"
    stays = await asyncio.to_thread(_write, file, rows, Random(play.chance.random()))
    importing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "import", "hotel-bookings", str(file), "--pool-size", str(_ROOMS)),
        env=os.environ | play.workers[0].environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    finished = play.send(importing.communicate())
    try:
        pool = await _opened(asker, guests[0])
        statuses, told = await _compete(asker, guests, pool["id"], stays, finished)
        said, complaints = (text.decode() for text in await finished)
    except BaseException:
        if importing.returncode is None:
            importing.kill()
        raise
    closing = _CLOSING_LINE.search(said)
    play.must("the import ends well", importing.returncode == 0 and closing is not None, complaints[-300:])
    accepted, refused = (int(number.replace(",", "")) for number in closing.groups()) if closing else (0, 0)
    async with play.pool.acquire() as db:
        imported = len(await imports.imported(db, [pool["venue_id"]]))
    play.must("what the import accepted is there", imported == accepted, f"{accepted} accepted, {imported} there")
    found = await torture.statuses(play.pool, list(told))
    wrong = {booking: (found.get(booking), status) for booking, status in told.items() if found.get(booking) != status}
    play.must("what the guests were told beside it is so", not wrong, dict(list(wrong.items())[:5]) or "")
    play.must(
        "import and guests both won and lost",
        bool(accepted and refused and statuses[201] and statuses[409]) and set(statuses) == {201, 409},
        f"{accepted} accepted, {refused} refused, {dict(statuses)}",
    )


def _write(file: Path, rows: int, chance: Random) -> list[tuple[str, str]]:
    """Write a file of bookings of one type, and answer the nights they are for."""
    today, stays = datetime.now(UTC).date(), []
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, hotel_bookings.COLUMNS)
        writer.writeheader()
        for _ in range(rows):
            arrival = today + timedelta(days=_FIRST_DAY + chance.randrange(_DAYS))
            nights = chance.randint(1, 4)
            stays.append((arrival.isoformat(), (arrival + timedelta(days=nights)).isoformat()))
            writer.writerow(
                {
                    "hotel": _HOTEL,
                    "reserved_room_type": _LETTER,
                    "lead_time": chance.randint(1, _LEAD),
                    "arrival_date_year": arrival.year,
                    "arrival_date_month": hotel_bookings.MONTHS[arrival.month - 1],
                    "arrival_date_day_of_month": arrival.day,
                    "stays_in_weekend_nights": 0,
                    "stays_in_week_nights": nights,
                    "adults": 1,
                    "adr": 80,
                    "reservation_status": "Check-Out",
                    "reservation_status_date": f"{arrival:%m/%d/%Y}",
                }
            )
    return stays


async def _opened(asker: Asker, guest: Person) -> dict[str, Any]:
    """Wait until the import has opened the pool that it books."""
    async with asyncio.timeout(_SECONDS_TO_OPEN):
        while True:
            for venue in (await asker.insist("GET", f"/venues?city={import_bookings.PLACES[_HOTEL]}", by=guest)).data[
                "items"
            ]:
                listed = await asker.insist("GET", f"/room-types?venue_id={venue['id']}", by=guest)
                if listed.data["items"]:
                    pool: dict[str, Any] = listed.data["items"][0]
                    return pool
            await asyncio.sleep(0.02)


async def _compete(
    asker: Asker, guests: Sequence[Person], pool_id: int, stays: Sequence[tuple[str, str]], finished: asyncio.Task[Any]
) -> tuple[Counter[int], dict[int, str]]:
    """Let guests book nights of the file until the import has finished, each giving back what they had before.

    Answers how often each status came, and how every booking stands by what was told last.
    """
    statuses: Counter[int] = Counter()
    told: dict[int, str] = {}

    async def keep_booking(guest: Person) -> None:
        mine: int | None = None
        while not finished.done():
            check_in, check_out = asker.chance.choice(stays)
            stay = {"kind": "stay", "room_type_id": pool_id, "check_in": check_in, "check_out": check_out, "guests": 1}
            answer = await asker.insist("POST", "/bookings", {"items": [stay]}, guest)
            statuses[answer.status] += 1
            if answer.status != 201:
                continue
            if mine is not None:
                given_back = await asker.insist("POST", f"/bookings/{mine}/cancel", {"reason": "x"}, guest)
                told[mine] = "cancelled" if given_back.status == 200 else f"not cancelled: {given_back.body!r}"
            mine = answer.data["id"]
            told[mine] = "confirmed"

    await asyncio.gather(*(keep_booking(guest) for guest in guests[:_GUESTS]))
    return statuses, told
