"""The rules, without a database: what a venue's policies and the clock say to a stay, a slot, a place."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.terms import Terms
from hub.models.venues import Cancellation, Venue
from hub.services import judging, zones
from hub.services.judging import Reason

NOW = datetime(2027, 1, 10, 12, 0, tzinfo=UTC)
THEN = {"created_at": NOW, "updated_at": NOW}


def venue(**policies: Any) -> Venue:
    nothing = dict.fromkeys(
        ("latitude", "longitude", "map_url", "contact_phone", "contact_email", "contact_website", "star_rating")
    )
    defaults: dict[str, Any] = {
        "id": 1,
        "owner_id": 1,
        "kind": "hall",
        "name": "Casa",
        **dict.fromkeys(("description", "address", "city", "province", "country"), ""),
        **nothing,
        "timezone": "UTC",
        "currency": "EUR",
        "amenities": [],
        "images": [],
        "is_active": True,
        "confirmation": "instant",
        "cancellation": Cancellation(),
        "terms": Terms(),
        "opening_hours": None,
        "check_in_time": time(15),
        "check_out_time": time(11),
        "slot_step_minutes": 15,
        "min_slot_minutes": 15,
        "max_slot_minutes": 1440,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "min_nights": 1,
        "max_nights": 365,
        "lead_time_minutes": 0,
        "advance_days": 730,
        "hold_seconds": 600,
        "hold_cap_seconds": 1800,
        **THEN,
    }
    return Venue(**defaults | policies)


def room_type(**changes: Any) -> RoomType:
    defaults: dict[str, Any] = {
        "id": 1,
        "venue_id": 1,
        "name": "Hall",
        "description": "",
        "capacity": 2,
        "sold_as": "room",
        "price": 1000,
        "price_unit": "hour",
        "currency": "EUR",
        "discount_percentage": 0,
        "bed_type": None,
        "size_sqm": None,
        "amenities": [],
        "images": [],
        "is_active": True,
        "total_rooms": 1,
        **THEN,
    }
    return RoomType(**defaults | changes)


def room(**changes: Any) -> Room:
    defaults = {
        "id": 1,
        "venue_id": 1,
        "room_type_id": 1,
        "number": "1",
        "floor": None,
        "images": [],
        "status": "available",
        "is_active": True,
    }
    return Room(**defaults | THEN | changes)


def session(**changes: Any) -> Session:
    defaults: dict[str, Any] = {
        "id": 1,
        "venue_id": 1,
        "facilitator_id": 1,
        "facilitator_name": "Bruno",
        "room_id": None,
        "kind": "session",
        "title": "Breath",
        "description": "",
        "starts_at": NOW + timedelta(hours=2),
        "ends_at": NOW + timedelta(hours=3),
        "timezone": "UTC",
        "capacity": 10,
        "price": 1500,
        "currency": "EUR",
        "location": "",
        "language": None,
        "images": [],
        "status": "active",
        **THEN,
    }
    return Session(**defaults | changes)


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def codes(reasons: list[Reason]) -> set[str]:
    return {reason.code for reason in reasons}


def slot(of: Venue, begin: datetime, end: datetime, guests: int = 1, **changes: Any) -> set[str]:
    now = changes.pop("now", NOW)
    return codes(judging.judge_slot(of, room_type(**changes), room(), begin, end, guests, now))


def stay(of: Venue, check_in: str, check_out: str, guests: int = 1, quantity: int = 1, **changes: Any) -> set[str]:
    now = changes.pop("now", NOW)
    kind = room_type(price_unit="night", sold_as="pool", total_rooms=5, **changes)
    first, last = date.fromisoformat(check_in), date.fromisoformat(check_out)
    return codes(judging.judge_stay(of, kind, None, first, last, guests, quantity, now))


# Slots


def test_a_venue_without_policies_takes_any_quarter_of_an_hour() -> None:
    assert slot(venue(), at("2027-01-10T12:00"), at("2027-01-10T12:15")) == set()
    assert slot(venue(), at("2027-01-11T23:45"), at("2027-01-12T00:30")) == set()


@pytest.mark.parametrize("minutes", [0, -15])
def test_a_slot_of_no_or_negative_length_is_reversed(minutes: int) -> None:
    begin = at("2027-01-11T10:00")
    assert slot(venue(), begin, begin + timedelta(minutes=minutes)) == {"reversed"}


def test_what_has_begun_is_past() -> None:
    assert slot(venue(), NOW - timedelta(minutes=15), NOW + timedelta(minutes=15)) == {"in_past"}
    assert slot(venue(), NOW, NOW + timedelta(minutes=15)) == set()


def test_lead_time_is_counted_to_the_second() -> None:
    of = venue(lead_time_minutes=60)
    begin, end = at("2027-01-10T13:00"), at("2027-01-10T14:00")
    assert slot(of, begin, end) == set()
    assert slot(of, begin, end, now=NOW + timedelta(seconds=1)) == {"too_soon"}


def test_how_far_ahead_is_counted_to_the_end_of_the_slot() -> None:
    of = venue(advance_days=3)
    assert slot(of, at("2027-01-13T11:00"), at("2027-01-13T12:00")) == set()
    assert slot(of, at("2027-01-13T11:15"), at("2027-01-13T12:15")) == {"too_far"}
    assert slot(of, at("2199-01-01T00:00"), at("2199-01-01T01:00")) == {"too_far"}


def test_shortest_and_longest_slot() -> None:
    of = venue(min_slot_minutes=30, max_slot_minutes=90)
    begin = at("2027-01-11T10:00")
    judged = {minutes: slot(of, begin, begin + timedelta(minutes=minutes)) for minutes in (15, 30, 90, 105)}
    assert judged == {15: {"too_short"}, 30: set(), 90: set(), 105: {"too_long"}}


def test_a_longest_slot_cannot_be_crept_around_by_an_enormous_one() -> None:
    assert slot(venue(), at("2027-01-11T10:00"), at("2028-06-11T10:00")) == {"too_long"}


def test_steps_are_counted_on_the_local_clock() -> None:
    of = venue(timezone="Asia/Kathmandu", slot_step_minutes=60)
    assert slot(of, at("2027-01-11T10:00", "Asia/Kathmandu"), at("2027-01-11T11:00", "Asia/Kathmandu")) == set()
    # A full hour of UTC is a quarter to the hour in Kathmandu, which is 5 h 45 min ahead.
    assert slot(of, at("2027-01-11T10:00"), at("2027-01-11T11:00")) == {"off_step"}


def test_a_length_off_the_steps_is_refused_even_when_the_start_is_on_them() -> None:
    of = venue(slot_step_minutes=30, min_slot_minutes=30)
    assert slot(of, at("2027-01-11T10:00"), at("2027-01-11T10:45")) == {"off_step"}
    assert slot(of, at("2027-01-11T10:00:30"), at("2027-01-11T10:30:30")) == {"off_step"}


def test_opening_hours_bind_the_whole_slot_on_the_local_weekday() -> None:
    of = venue(timezone="Europe/Lisbon", opening_hours={"mon": [("09:00", "18:00")]})
    day, zone = "2027-07-05", "Europe/Lisbon"  # a Monday in summer
    assert slot(of, at(f"{day}T09:00", zone), at(f"{day}T18:00", zone)) == set()
    assert slot(of, at(f"{day}T08:45", zone), at(f"{day}T09:15", zone)) == {"closed"}
    assert slot(of, at(f"{day}T17:45", zone), at(f"{day}T18:15", zone)) == {"closed"}
    assert slot(of, at("2027-07-06T10:00", zone), at("2027-07-06T11:00", zone)) == {"closed"}
    # In summer Lisbon is an hour ahead of UTC.
    assert slot(of, at(f"{day}T08:00"), at(f"{day}T09:00")) == set()
    assert slot(of, at(f"{day}T17:00"), at(f"{day}T18:00")) == {"closed"}


def test_a_slot_across_midnight_fits_windows_that_cross_or_meet_there() -> None:
    begin, end = at("2027-01-11T23:00"), at("2027-01-12T01:00")  # Monday to Tuesday
    crossing = venue(opening_hours={"mon": [("18:00", "02:00")]})
    meeting = venue(opening_hours={"mon": [("18:00", "24:00")], "tue": [("00:00", "02:00")]})
    apart = venue(opening_hours={"mon": [("18:00", "24:00")], "tue": [("00:30", "02:00")]})
    assert slot(crossing, begin, end) == set()
    assert slot(meeting, begin, end) == set()
    assert slot(apart, begin, end) == {"closed"}
    assert slot(crossing, begin, at("2027-01-12T02:15")) == {"closed"}


def test_the_hour_that_spring_skips_is_no_time_and_the_slot_over_it_is_shorter() -> None:
    zone = "Europe/Lisbon"  # 28 March 2027: 01:00 becomes 02:00
    of = venue(timezone=zone, opening_hours={"sun": [("00:00", "04:00")]}, min_slot_minutes=60, max_slot_minutes=60)
    assert slot(of, at("2027-03-28T00:30", zone), at("2027-03-28T02:30", zone)) == set()
    assert slot(of, at("2027-03-28T00:30", zone), at("2027-03-28T03:30", zone)) == {"too_long"}


def test_the_hour_that_autumn_repeats_is_two_hours() -> None:
    zone = "America/New_York"  # 7 November 2027: 02:00 becomes 01:00
    of = venue(timezone=zone, slot_step_minutes=60, min_slot_minutes=60, max_slot_minutes=120)
    first, second = at("2027-11-07T01:00", zone), at("2027-11-07T01:00", zone, fold=1)
    assert second - first == timedelta(hours=1)
    assert slot(of, first, second) == set()
    assert slot(of, second, second + timedelta(hours=1)) == set()
    assert slot(of, first, at("2027-11-07T02:00", zone)) == set()
    assert slot(of, at("2027-11-07T00:00", zone), at("2027-11-07T02:00", zone)) == {"too_long"}


def test_a_venue_open_from_one_to_three_is_open_an_hour_less_or_more_when_the_clocks_change() -> None:
    zone = "America/New_York"
    of = venue(timezone=zone, opening_hours={"sun": [("01:00", "03:00")]}, max_slot_minutes=240)
    spring, autumn = at("2027-03-14T01:00", zone), at("2027-11-07T01:00", zone)
    assert slot(of, spring, spring + timedelta(hours=1)) == set()
    assert slot(of, spring, spring + timedelta(hours=1, minutes=15)) == {"closed"}
    assert slot(of, autumn, autumn + timedelta(hours=3)) == set()
    assert slot(of, autumn, autumn + timedelta(hours=3, minutes=15)) == {"closed"}


def test_too_many_guests_for_a_room() -> None:
    begin, end = at("2027-01-11T10:00"), at("2027-01-11T11:00")
    assert slot(venue(), begin, end, guests=2) == set()
    assert slot(venue(), begin, end, guests=3) == {"capacity"}


def test_every_rule_in_the_way_is_named_at_once_with_its_field() -> None:
    of = venue(lead_time_minutes=600, min_slot_minutes=60, opening_hours={"mon": [("09:00", "10:00")]})
    begin = at("2027-01-10T13:05")
    reasons = judging.judge_slot(of, room_type(), room(), begin, begin + timedelta(minutes=20), 9, NOW)
    assert codes(reasons) == {"too_soon", "too_short", "closed", "off_step", "capacity"}
    assert {reason.code: reason.field for reason in reasons}["capacity"] == "guests"
    assert all(reason.sentence and reason.field for reason in reasons)


@pytest.mark.parametrize(
    ("of", "kind", "numbered", "code"),
    [
        (venue(is_active=False), room_type(), room(), "not_offered"),
        (venue(), room_type(is_active=False), room(), "not_offered"),
        (venue(), room_type(), room(is_active=False), "not_offered"),
        (venue(), room_type(), room(status="maintenance"), "out_of_service"),
        (venue(), room_type(), room(status="out_of_service"), "out_of_service"),
        (venue(), room_type(price_unit="night"), room(), "wrong_unit"),
    ],
)
def test_what_is_not_on_offer_is_refused(of: Venue, kind: RoomType, numbered: Room, code: str) -> None:
    begin, end = at("2027-01-11T10:00"), at("2027-01-11T11:00")
    assert codes(judging.judge_slot(of, kind, numbered, begin, end, 1, NOW)) == {code}


def test_a_room_in_use_is_still_on_offer() -> None:
    begin, end = at("2027-01-11T10:00"), at("2027-01-11T11:00")
    assert judging.judge_slot(venue(), room_type(), room(status="occupied"), begin, end, 1, NOW) == []


def test_buffers_are_part_of_the_busy_time() -> None:
    of = venue(buffer_before_minutes=10, buffer_after_minutes=20)
    begin, end = at("2027-01-11T10:00"), at("2027-01-11T11:00")
    assert judging.buffered(of, begin, end) == (at("2027-01-11T09:50"), at("2027-01-11T11:20"))


# Stays


def test_a_stay_from_today_is_fine_and_one_from_yesterday_is_past() -> None:
    assert stay(venue(), "2027-01-10", "2027-01-11") == set()
    assert stay(venue(), "2027-01-09", "2027-01-11") == {"in_past"}


def test_today_is_the_venues_today() -> None:
    late = datetime(2027, 1, 10, 23, 0, tzinfo=UTC)  # the 11th already in Kathmandu, still the 10th in New York
    assert stay(venue(timezone="Asia/Kathmandu"), "2027-01-10", "2027-01-12", now=late) == {"in_past"}
    assert stay(venue(timezone="Asia/Kathmandu"), "2027-01-11", "2027-01-12", now=late) == set()
    assert stay(venue(timezone="America/New_York"), "2027-01-10", "2027-01-12", now=late) == set()


@pytest.mark.parametrize(
    ("check_out", "expected"),
    [("2027-02-02", {"min_stay"}), ("2027-02-03", set()), ("2027-02-05", set()), ("2027-02-06", {"max_stay"})],
)
def test_minimum_and_maximum_nights(check_out: str, expected: set[str]) -> None:
    assert stay(venue(min_nights=2, max_nights=4), "2027-02-01", check_out) == expected


@pytest.mark.parametrize("check_out", ["2027-02-01", "2027-01-30"])
def test_no_or_negative_nights_are_too_few(check_out: str) -> None:
    assert "min_stay" in stay(venue(), "2027-02-01", check_out)


def test_a_leap_day_is_a_night() -> None:
    of = venue(min_nights=2, max_nights=2)
    assert stay(of, "2028-02-28", "2028-03-01") == set()
    assert stay(of, "2027-02-28", "2027-03-02") == set()
    assert stay(of, "2028-02-28", "2028-02-29") == {"min_stay"}
    assert stay(of, "2028-02-28", "2028-03-02") == {"max_stay"}


def test_how_far_ahead_is_counted_to_the_check_out() -> None:
    assert stay(venue(advance_days=30), "2027-02-08", "2027-02-09") == set()
    assert stay(venue(advance_days=30), "2027-02-08", "2027-02-10") == {"too_far"}


def test_lead_time_is_counted_to_the_check_in_time() -> None:
    of = venue(lead_time_minutes=180, timezone="Asia/Kathmandu")
    check_in = at("2027-01-11T15:00", "Asia/Kathmandu")
    assert stay(of, "2027-01-11", "2027-01-12", now=check_in - timedelta(hours=3)) == set()
    assert stay(of, "2027-01-11", "2027-01-12", now=check_in - timedelta(hours=2, minutes=59)) == {"too_soon"}


def test_guests_are_counted_over_all_rooms_asked_for() -> None:
    assert stay(venue(), "2027-02-01", "2027-02-02", guests=4, quantity=2) == set()
    assert stay(venue(), "2027-02-01", "2027-02-02", guests=5, quantity=2) == {"capacity"}


def test_the_number_of_a_room_in_a_pool_cannot_be_chosen() -> None:
    kind = room_type(price_unit="night", sold_as="pool", total_rooms=5)
    first, last = date(2027, 2, 1), date(2027, 2, 2)
    assert codes(judging.judge_stay(venue(), kind, room(), first, last, 1, 1, NOW)) == {"sold_as_pool"}


def test_a_stay_over_the_change_of_clocks_begins_and_ends_by_the_local_clock() -> None:
    of = venue(timezone="Europe/Lisbon")
    begin, end = zones.stay(of, date(2027, 3, 27), date(2027, 3, 28))
    assert (begin, end) == (datetime(2027, 3, 27, 15, tzinfo=UTC), datetime(2027, 3, 28, 10, tzinfo=UTC))
    begin, end = zones.stay(of, date(2027, 10, 30), date(2027, 10, 31))
    assert (begin, end) == (datetime(2027, 10, 30, 14, tzinfo=UTC), datetime(2027, 10, 31, 11, tzinfo=UTC))


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    ("check_in", "check_out"), [(time(15), time(11)), (time(1, 30), time(1, 30)), (time(2), time(0))]
)
def test_one_guest_leaves_before_the_next_arrives_on_every_day_of_the_year(
    zone: str, check_in: time, check_out: time
) -> None:
    of = venue(timezone=zone, check_in_time=check_in, check_out_time=check_out)
    days = [date(2027, 1, 1) + timedelta(days=n) for n in range(366)]
    nights = [zones.stay(of, day, day + timedelta(days=1)) for day in days]
    assert all(begin < end for begin, end in nights)
    assert all(leaves <= arrives for (_, leaves), (arrives, _) in pairwise(nights))


# Places


def test_places_in_a_session_to_come() -> None:
    assert judging.judge_place(venue(), session(), 10, NOW) == []


@pytest.mark.parametrize(
    ("of", "thing", "quantity", "expected"),
    [
        (venue(), session(starts_at=NOW), 1, {"in_past"}),
        (venue(), session(status="cancelled"), 1, {"session_cancelled"}),
        (venue(is_active=False), session(), 1, {"not_offered"}),
        (venue(), session(), 11, {"capacity"}),
        (venue(lead_time_minutes=121), session(), 1, {"too_soon"}),
        (venue(lead_time_minutes=120), session(), 1, set()),
    ],
)
def test_places_that_cannot_be_had(of: Venue, thing: Session, quantity: int, expected: set[str]) -> None:
    assert codes(judging.judge_place(of, thing, quantity, NOW)) == expected
