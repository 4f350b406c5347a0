from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.models.venues import Venue
from hub.services import zones

# Clocks that jump by an hour, by half an hour, at midnight, over a whole day, twice around Ramadan, or never.
ZONES = [
    "Europe/Lisbon",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Asia/Beirut",
    "UTC",
]
SKIPPED_DAY = date(2011, 12, 30)  # in Apia


def venue_in(zone: str, opening_hours: dict[str, list[tuple[str, str]]] | None = None, **fields: object) -> Venue:
    return Venue.model_construct(
        timezone=zone,
        opening_hours=opening_hours,
        check_in_time=fields.get("check_in_time", time(15)),
        check_out_time=fields.get("check_out_time", time(11)),
    )


@cache
def jumps(zone: str, year: int) -> list[datetime]:
    """Find the minutes of a year and the next at which a zone's clock jumps, by halving the days around them."""
    tz, found = ZoneInfo(zone), []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year < year + 2:
        before, after = day, day + timedelta(days=1)
        if before.astimezone(tz).utcoffset() != after.astimezone(tz).utcoffset():
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) / 2
                middle = middle.replace(second=0, microsecond=0)
                if middle.astimezone(tz).utcoffset() == before.astimezone(tz).utcoffset():
                    before = middle
                else:
                    after = middle
            found.append(after)
        day += timedelta(days=1)
    return found


def naive(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def test_every_jump_of_every_clock_is_read_right() -> None:
    for zone in available_timezones() - {"Factory", "localtime"}:
        for jump in jumps(zone, 2026):
            before, after = naive(jump - timedelta(minutes=1), zone), naive(jump, zone)
            step = after - before - timedelta(minutes=1)
            if step > timedelta(0):
                skipped = after - timedelta(minutes=1)
                with pytest.raises(Invalid):
                    zones.localise(skipped, zone)
                assert zones.localise(after, zone) == jump
                assert zones.instant(skipped.date(), skipped.time(), zone) == jump
            else:
                assert zones.localise(after, zone) == jump + step
                assert zones.localise(before, zone) == jump - timedelta(minutes=1)


def test_a_time_that_the_clock_skips_is_refused_by_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        zones.localise(datetime(2027, 3, 28, 1, 30), "Europe/Lisbon", "ends_at")  # noqa: DTZ001 - meant without a zone
    assert refused.value.details["errors"][0]["field"] == "ends_at"
    assert "2027-03-28 01:30 does not exist in Europe/Lisbon" in refused.value.details["errors"][0]["message"]


def test_a_time_with_an_offset_is_taken_as_it_is() -> None:
    moment = datetime.fromisoformat("2027-03-28T01:30:00+05:45")
    assert zones.localise(moment, "Europe/Lisbon") == datetime(2027, 3, 27, 19, 45, tzinfo=UTC)


def test_of_a_time_shown_twice_the_first_is_meant() -> None:
    moment = datetime(2027, 10, 31, 1, 30)  # noqa: DTZ001 - meant without a zone
    assert zones.localise(moment, "Europe/Lisbon") == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    assert zones.localise(moment.replace(fold=1), "Europe/Lisbon") == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001 - naive on purpose
def test_what_is_read_on_a_clock_is_shown_on_that_clock(moment: datetime, zone: str) -> None:
    try:
        read = zones.localise(moment, zone)
    except Invalid:
        return
    assert naive(read, zone) == moment
    assert naive(read - timedelta(hours=3), zone) < moment


clock = st.builds(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}", st.integers(0, 95).map(lambda n: n * 15))
window = st.tuples(clock, st.one_of(clock, st.just("24:00"))).filter(lambda pair: pair[0] != pair[1])
hours = st.dictionaries(st.sampled_from(zones.WEEKDAYS), st.lists(window, max_size=3))


@st.composite
def stretches(draw: st.DrawFn) -> tuple[str, datetime, datetime]:
    """Draw a zone, and a time of up to three days, mostly around a jump of its clock."""
    zone = draw(st.sampled_from(ZONES))
    year = 2011 if zone == "Pacific/Apia" else 2026
    around = draw(st.sampled_from(jumps(zone, year) or [datetime(2026, 6, 1, 12, tzinfo=UTC)]))
    begin = around + timedelta(minutes=draw(st.integers(-200, 100)) * 15)
    return zone, begin, begin + timedelta(minutes=draw(st.integers(1, 290)) * 15)


class Scanned:
    """A zone's clock as seen minute by minute (by quarters of an hour): slow, and hard to get wrong."""

    def __init__(self, zone: str, begin: datetime, end: datetime) -> None:
        quarters = int((end - begin) / timedelta(minutes=15)) + 4 * 24 * 6
        start = (begin - timedelta(days=3)).replace(minute=0)
        self.shown = [(at, naive(at, zone)) for at in (start + timedelta(minutes=15 * n) for n in range(quarters))]

    def first(self, day: date, text: str) -> datetime:
        wanted = datetime.combine(day, time.fromisoformat("00:00" if text == "24:00" else text))
        wanted += timedelta(days=text == "24:00")
        return next((at for at, shown in self.shown if shown >= wanted), self.shown[-1][0])


@settings(max_examples=150, deadline=None)
@given(stretches(), hours)
def test_a_venue_is_open_when_its_clock_says_so(
    stretch: tuple[str, datetime, datetime], opening_hours: dict[str, list[tuple[str, str]]]
) -> None:
    zone, begin, end = stretch
    scanned = Scanned(zone, begin, end)
    expected = set()
    first_day = naive(begin, zone).date() - timedelta(days=2)
    for day in (first_day + timedelta(days=n) for n in range(8)):
        for opens, closes in opening_hours.get(zones.WEEKDAYS[day.weekday()], []):
            closing_day = day if opens < closes else day + timedelta(days=1)
            since, until = scanned.first(day, opens), scanned.first(closing_day, closes)
            expected |= {at for at, _ in scanned.shown if since <= at < until and begin <= at < end}

    windows = zones.open_windows(venue_in(zone, opening_hours), begin, end)

    assert {at for at, _ in scanned.shown if any(since <= at < until for since, until in windows)} == expected
    assert all(begin <= since < until <= end for since, until in windows)
    assert all(one[1] < two[0] for one, two in pairwise(windows))


def test_a_venue_without_hours_is_always_open() -> None:
    begin = datetime(2027, 3, 28, tzinfo=UTC)
    assert zones.open_windows(venue_in("Europe/Lisbon"), begin, begin + timedelta(days=9)) == [
        (begin, begin + timedelta(days=9))
    ]
    assert zones.open_windows(venue_in("Europe/Lisbon"), begin, begin) == []


def test_a_venue_whose_days_are_all_closed_never_opens() -> None:
    begin = datetime(2027, 3, 28, tzinfo=UTC)
    assert zones.open_windows(venue_in("Europe/Lisbon", {}), begin, begin + timedelta(days=9)) == []


def test_a_friday_night_lasts_until_saturday_and_both_clock_changes_keep_its_hours() -> None:
    night = {"sat": [("22:00", "06:00")]}
    spring = zones.open_windows(
        venue_in("Europe/Lisbon", night), datetime(2027, 3, 27, tzinfo=UTC), datetime(2027, 3, 29, tzinfo=UTC)
    )
    autumn = zones.open_windows(
        venue_in("Europe/Lisbon", night), datetime(2027, 10, 30, tzinfo=UTC), datetime(2027, 11, 1, tzinfo=UTC)
    )
    assert spring == [(datetime(2027, 3, 27, 22, tzinfo=UTC), datetime(2027, 3, 28, 5, tzinfo=UTC))]
    assert autumn == [(datetime(2027, 10, 30, 21, tzinfo=UTC), datetime(2027, 10, 31, 6, tzinfo=UTC))]


def test_kathmandu_opens_at_its_own_quarter_of_an_hour() -> None:
    windows = zones.open_windows(
        venue_in("Asia/Kathmandu", {"mon": [("09:00", "18:00")]}),
        datetime(2027, 1, 3, tzinfo=UTC),
        datetime(2027, 1, 6, tzinfo=UTC),
    )
    assert windows == [(datetime(2027, 1, 4, 3, 15, tzinfo=UTC), datetime(2027, 1, 4, 12, 15, tzinfo=UTC))]


def test_windows_that_touch_or_overlap_are_one() -> None:
    opening = {"mon": [("18:00", "24:00"), ("09:00", "12:00"), ("11:00", "13:00")], "tue": [("00:00", "02:00")]}
    windows = zones.open_windows(
        venue_in("UTC", opening), datetime(2027, 1, 4, 10, tzinfo=UTC), datetime(2027, 1, 5, 1, tzinfo=UTC)
    )
    assert windows == [
        (datetime(2027, 1, 4, 10, tzinfo=UTC), datetime(2027, 1, 4, 13, tzinfo=UTC)),
        (datetime(2027, 1, 4, 18, tzinfo=UTC), datetime(2027, 1, 5, 1, tzinfo=UTC)),
    ]


def test_a_day_that_the_calendar_skips_has_no_hours() -> None:
    whole_days = {day: [("00:00", "24:00")] for day in zones.WEEKDAYS}
    friday = {"fri": [("09:00", "18:00")]}
    begin, end = datetime(2011, 12, 29, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC)
    assert SKIPPED_DAY.weekday() == zones.WEEKDAYS.index("fri")
    assert zones.open_windows(venue_in("Pacific/Apia", friday), begin, end) == []
    assert zones.open_windows(venue_in("Pacific/Apia", whole_days), begin, end) == [(begin, end)]


def test_a_stay_begins_and_ends_by_the_venues_clock() -> None:
    arrival, departure = zones.stay(venue_in("Europe/Lisbon"), date(2027, 3, 27), date(2027, 3, 29))
    assert (arrival, departure) == (datetime(2027, 3, 27, 15, tzinfo=UTC), datetime(2027, 3, 29, 10, tzinfo=UTC))


@given(
    stretches(),
    st.integers(0, 23),
    st.integers(0, 23),
)
def test_the_nights_of_a_time_are_those_that_a_stay_would_share_with_it(
    stretch: tuple[str, datetime, datetime], one: int, other: int
) -> None:
    zone, begin, end = stretch
    venue = venue_in(zone, check_in_time=time(max(one, other)), check_out_time=time(min(one, other)))
    found = set(zones.nights_within(venue, begin, end))
    day = begin.date() - timedelta(days=5)
    while day < end.date() + timedelta(days=5):
        arrival, departure = zones.stay(venue, day, day + timedelta(days=1))
        assert (day in found) == (arrival < end and begin < departure)
        day += timedelta(days=1)


def test_today_is_the_date_on_the_venues_calendar() -> None:
    now = datetime(2027, 1, 1, 11, tzinfo=UTC)
    assert zones.today(venue_in("Pacific/Auckland"), now) == date(2027, 1, 2)
    assert zones.today(venue_in("America/New_York"), now) == date(2027, 1, 1)


def test_the_nights_of_a_stay_are_named_by_their_evenings() -> None:
    assert zones.nights(date(2028, 2, 28), date(2028, 3, 1)) == [date(2028, 2, 28), date(2028, 2, 29)]
