"""The published file of hotel bookings: its rows, its dirt, and in what order everything happened."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from hub.errors import Malformed

HOTELS = ("Resort Hotel", "City Hotel")
STATUSES = ("Check-Out", "Canceled", "No-Show")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
COLUMNS = (
    "hotel", "lead_time", "arrival_date_year", "arrival_date_month", "arrival_date_day_of_month",
    "stays_in_weekend_nights", "stays_in_week_nights", "adults", "children", "babies", "market_segment",
    "reserved_room_type", "customer_type", "adr", "reservation_status", "reservation_status_date",
)  # fmt: skip
UNKNOWN = ("", "NA", "NULL")


class Dirty(Exception):
    """A row that says nothing a hotel could sell; its text is the cause."""


@dataclass(frozen=True, slots=True)
class Row:
    """One booking of the file."""

    line: int
    key: str
    hotel: str
    letter: str
    arrival: date
    nights: int
    guests: int
    rate: Decimal
    made: date
    cancelled: date | None
    came: bool
    about: str

    @property
    def kind(self) -> tuple[str, str]:
        """Name the pool it is of: its hotel and the letter of its room type."""
        return self.hotel, self.letter

    @property
    def stay(self) -> list[date]:
        """List its nights."""
        return [self.arrival + timedelta(days=n) for n in range(self.nights)]


@dataclass(frozen=True, slots=True)
class Happening:
    """A booking that is made, or one that is cancelled."""

    what: Literal["made", "cancelled"]
    row: Row


def read(file: Path) -> tuple[list[Row], list[tuple[int, str]]]:
    """Read the clean rows, and the line and the cause of each dirty one."""
    rows, dirty = [], []
    for line, fields in _records(file):
        try:
            rows.append(_row(line, fields))
        except Dirty as cause:
            dirty.append((line, str(cause)))
    return rows, dirty


def _records(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    unpack = gzip.open if file.suffix == ".gz" else open
    try:
        with unpack(file, "rt", encoding="utf-8", newline="") as stream:
            records = csv.DictReader(stream, restkey="more", restval="")
            missing = [name for name in COLUMNS if name not in (records.fieldnames or ())]
            if missing:
                raise Malformed(f"{file} is no file of hotel bookings: it has no column {missing[0]}.")
            for fields in records:
                yield records.line_num, fields
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Malformed(f"{file} cannot be read as CSV: {error}.") from error


def _row(line: int, fields: dict[str, str]) -> Row:
    if "more" in fields:
        raise Dirty("too many fields")
    hotel, letter, status = fields["hotel"], fields["reserved_room_type"].strip(), fields["reservation_status"]
    if hotel not in HOTELS or len(letter) != 1 or not letter.isalpha() or status not in STATUSES:
        raise Dirty("unknown hotel, room type or status")
    nights = _count(fields["stays_in_weekend_nights"]) + _count(fields["stays_in_week_nights"])
    adults = _count(fields["adults"])
    if not nights:
        raise Dirty("no nights")
    if not adults:
        raise Dirty("no adults")
    arrival, of_status = _arrival(fields), _status_date(fields["reservation_status_date"])
    rate = _rate(fields["adr"])
    made = arrival - timedelta(days=_count(fields["lead_time"]))
    cancelled = of_status if status == "Canceled" else None
    if cancelled is not None and cancelled < made:
        raise Dirty("cancelled before it was made")
    others = sum(_count(fields[name]) for name in ("children", "babies") if fields[name] not in UNKNOWN)
    return Row(
        line=line,
        key=f"{line}-{zlib.crc32(repr(sorted(fields.items())).encode()):08x}",
        hotel=hotel,
        letter=letter,
        arrival=arrival,
        nights=nights,
        guests=adults + others,
        rate=rate,
        made=made,
        cancelled=cancelled,
        came=status == "Check-Out",
        about=f"{fields['customer_type']}, {fields['market_segment']}, {rate} EUR a night",
    )


def _count(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 5):
        raise Dirty("unreadable number")
    return int(given)


def _rate(given: str) -> Decimal:
    try:
        rate = Decimal(given)
    except InvalidOperation:
        raise Dirty("unreadable number") from None
    if not rate.is_finite():
        raise Dirty("unreadable number")
    if rate < 0:
        raise Dirty("negative rate")
    return rate


def _arrival(fields: dict[str, str]) -> date:
    year, month, day = (fields[f"arrival_date_{part}"] for part in ("year", "month", "day_of_month"))
    if month not in MONTHS:
        raise Dirty("bad date")
    return _date(year, str(MONTHS.index(month) + 1), day)


def _status_date(given: str) -> date:
    parts = given.split("/")
    if len(parts) != 3:
        raise Dirty("bad date")
    month, day, year = parts
    return _date(year, month, day)


def _date(year: str, month: str, day: str) -> date:
    try:
        # Years of four digits only: the importer moves dates on, and no calendar reaches beyond 9999.
        found = datetime.strptime(f"{year}-{month}-{day}", "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError:
        raise Dirty("bad date") from None
    if not 1990 <= found.year <= 2100:
        raise Dirty("bad date")
    return found


def in_order(rows: Iterable[Row]) -> list[Happening]:
    """Order what happened.

    On each day come first the cancellations of what was made before, then the bookings as they stand in the file, then
    the cancellations of what was made that very day.
    """
    placed: list[tuple[tuple[date, int, int], Happening]] = []
    for row in rows:
        placed.append(((row.made, 1, row.line), Happening("made", row)))
        if row.cancelled is not None:
            phase = 2 if row.cancelled == row.made else 0
            placed.append(((row.cancelled, phase, row.line), Happening("cancelled", row)))
    return [happening for _, happening in sorted(placed, key=lambda one: one[0])]


def peaks(rows: Iterable[Row]) -> dict[tuple[str, str], int]:
    """Count, for each pool, the rooms of its fullest night, going by the guests who came."""
    nights: defaultdict[tuple[str, str], Counter[date]] = defaultdict(Counter)
    for row in rows:
        nights[row.kind].update(row.stay if row.came else ())
    return {kind: max(counted.values(), default=0) for kind, counted in nights.items()}


def weeks_to_move(rows: Sequence[Row], today: date) -> int:
    """Answer by how many whole weeks everything must move for the first booking to be made after tomorrow."""
    first = min(row.made for row in rows)
    return max(0, -((first - (today + timedelta(days=2))).days // 7))
