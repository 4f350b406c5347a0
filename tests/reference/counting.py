"""Counts by hand, knowing nothing of the hub, what a replay of the published hotel bookings must come to.

A pool is a number of rooms that are all alike; a booking fits while on each of its nights fewer are taken than there
are. Day by day come first the cancellations of what was booked before, then the day's bookings as they stand in the
file, then the cancellations of what was booked that same day.
"""

import csv
import datetime as dt
import gzip
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

MONTH = {
    "January": 1, "February": 2, "March": 3, "April": 4, "May": 5, "June": 6,
    "July": 7, "August": 8, "September": 9, "October": 10, "November": 11, "December": 12,
}  # fmt: skip


@dataclass
class Counted:
    """What became of each line of the file."""

    accepted: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    dirty: dict[int, str] = field(default_factory=dict)


def cause_of_dirt(row: dict[str, str]) -> str | None:
    """Say why a row is no booking."""
    numbers = ("lead_time", "stays_in_weekend_nights", "stays_in_week_nights", "adults")
    if not all(row[name].isdecimal() for name in numbers):
        return "unreadable number"
    if int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"]) == 0:
        return "no nights"
    if int(row["adults"]) == 0:
        return "no adults"
    try:
        arrival(row)
        month, day, year = map(int, row["reservation_status_date"].split("/"))
        dt.date(year, month, day)
    except (ValueError, KeyError):
        return "bad date"
    try:
        rate = float(row["adr"])
    except ValueError:
        return "unreadable number"
    return "negative rate" if rate < 0 else None


def arrival(row: dict[str, str]) -> dt.date:
    """Read the day of arrival."""
    return dt.date(
        int(row["arrival_date_year"]), MONTH[row["arrival_date_month"]], int(row["arrival_date_day_of_month"])
    )


def lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the file's rows with their line numbers; the heading is line 1."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(enumerate(csv.DictReader(text.decode().splitlines()), start=2))


def nights_of(row: dict[str, str]) -> list[tuple[str, str, dt.date]]:
    """List a booking's nights, each with the pool it is taken from."""
    number = int(row["stays_in_weekend_nights"]) + int(row["stays_in_week_nights"])
    pool = (row["hotel"], row["reserved_room_type"])
    return [(*pool, arrival(row) + dt.timedelta(days=n)) for n in range(number)]


def peaks(path: Path) -> dict[tuple[str, str], int]:
    """Count the fullest night of each pool, of those who came."""
    taken: dict[tuple[str, str, dt.date], int] = defaultdict(int)
    most: dict[tuple[str, str], int] = {}
    for _, row in lines(path):
        if cause_of_dirt(row) is None:
            most.setdefault((row["hotel"], row["reserved_room_type"]), 0)
            for night in nights_of(row) if row["reservation_status"] == "Check-Out" else []:
                taken[night] += 1
                most[night[:2]] = max(most[night[:2]], taken[night])
    return most


def count(path: Path, sizes: dict[tuple[str, str], int]) -> Counted:
    """Count what becomes of every line with pools of these sizes."""
    counted = Counted()
    rows = {}
    days: dict[dt.date, tuple[list[int], list[int], list[int]]] = defaultdict(lambda: ([], [], []))
    for number, row in lines(path):
        cause = cause_of_dirt(row)
        if cause is not None:
            counted.dirty[number] = cause
            continue
        rows[number] = row
        booked_on = arrival(row) - dt.timedelta(days=int(row["lead_time"]))
        days[booked_on][1].append(number)
        if row["reservation_status"] == "Canceled":
            month, day, year = map(int, row["reservation_status_date"].split("/"))
            cancelled_on = dt.date(year, month, day)
            days[cancelled_on][2 if cancelled_on == booked_on else 0].append(number)

    taken: dict[tuple[str, str, dt.date], int] = defaultdict(int)

    def cancel(numbers: list[int]) -> None:
        for number in numbers:
            if number in counted.accepted:
                counted.cancelled.add(number)
                for night in nights_of(rows[number]):
                    taken[night] -= 1

    for day in sorted(days):
        before, booked, same_day = days[day]
        cancel(before)
        for number in booked:
            nights = nights_of(rows[number])
            if all(taken[night] < sizes[night[:2]] for night in nights):
                counted.accepted.add(number)
                for night in nights:
                    taken[night] += 1
            else:
                counted.refused.add(number)
        cancel(same_day)
    return counted
