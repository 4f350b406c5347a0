"""The inventory over HTTP: what the services promise comes through the doors unharmed."""

from typing import Any

import pytest

from tests.builders import day_after, tomorrow
from tests.doors import Http, People

SUBJECTS = ["venues", "room-types", "rooms", "sessions", "closures", "addons", "offers"]


async def made(http: Http, path: str, body: Any, **how: Any) -> Any:
    answer = await http.post(path, body, **how)
    assert answer.status == 201, answer.text
    return answer.data


async def test_everything_is_made_read_changed_and_deleted(http: Http, people: People) -> None:
    vera = await people.vendor()
    venue = await made(http, "/venues", {"name": "Aurora", "kind": "hotel", "timezone": "Europe/Lisbon"}, as_=vera)
    room_type = await made(http, "/room-types", {"venue_id": venue["id"], "name": "Suite"}, as_=vera)
    room = await made(http, "/rooms", {"room_type_id": room_type["id"], "number": 7}, as_=vera)
    session = await made(
        http,
        "/sessions",
        {
            "venue_id": venue["id"],
            "title": "Flow",
            "starts_at": f"{day_after(3)}T09:00",
            "ends_at": f"{day_after(3)}T10:00",
        },
        as_=vera,
    )
    closure = await made(
        http,
        "/closures",
        {"venue_id": venue["id"], "room_id": room["id"], "check_in": f"{day_after(5)}", "check_out": f"{day_after(6)}"},
        as_=vera,
    )
    addon = await made(http, "/addons", {"venue_id": venue["id"], "name": "Breakfast", "price": 900}, as_=vera)
    offer = await made(http, "/offers", {"venue_id": venue["id"], "code": "SPRING", "amount": 500}, as_=vera)
    things = [venue, room_type, room, session, closure, addon, offer]
    changes: list[dict[str, Any]] = [
        {"city": "Porto"},
        {"price": 12_000},
        {"floor": 2},
        {"capacity": 12},
        {"reason": "Paint"},
        {"price_per": "guest"},
        {"minimum": 2000},
    ]
    for subject, thing, change in list(zip(SUBJECTS, things, changes, strict=True))[::-1]:
        path = f"/{subject}/{thing['id']}"
        listed = await http.get(f"/{subject}", as_=vera)
        assert listed.data["meta"]["total_items"] == 1
        assert [one["id"] for one in listed.data["items"]] == [thing["id"]]
        assert (await http.get(path, as_=vera)).data["id"] == thing["id"]
        changed = await http.patch(path, change, as_=vera)
        assert (changed.status, changed.data | change) == (200, changed.data)
        deleted = await http.delete(path, as_=vera)
        assert (deleted.status, deleted.body) == (204, b"")
        assert (await http.get(path, as_=vera)).status == 404


async def test_lists_are_filtered_by_what_stands_in_the_query(http: Http, people: People) -> None:
    vera = await people.vendor()
    for name, amenities in [("Norte", ["piano", "stage"]), ("Sul", ["stage"])]:
        await made(http, "/venues", {"name": name, "amenities": amenities}, as_=vera)
    await made(
        http, "/sessions", {"title": "Flow", "starts_at": str(tomorrow()), "ends_at": str(tomorrow(13))}, as_=vera
    )
    for query, expected in [
        ("kind=hall&sort=-name", ["Sul", "Norte"]),
        ("kind=hall&amenities=stage&amenities=piano", ["Norte"]),
        ("kind=hall&amenities=stage,piano", ["Norte"]),
        ("is_active=false", []),
        ("kind=studio&mine=true&per_page=1", ["Vera Lopes's studio"]),
    ]:
        found = await http.get(f"/venues?{query}", as_=vera)
        assert [one["name"] for one in found.data["items"]] == expected, found.text
    assert (await http.get(f"/sessions?from={day_after(1)}T12:59")).data["meta"]["total_items"] == 1
    assert (await http.get(f"/sessions?from={day_after(1)}T13:00")).data["meta"]["total_items"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/venues", {"name": "Sala", "colour": "red"}, 422, "colour"),
        ("POST", "/venues", {}, 422, "name"),
        ("POST", "/venues", {"name": "Sala", "timezone": "Moon"}, 422, "timezone"),
        ("POST", "/sessions", {"title": "Flow", "starts_at": "soon", "ends_at": "2030-01-01"}, 422, "starts_at"),
        ("POST", "/closures", {"venue_id": 1}, 422, None),
        ("GET", "/venues?sort=secret", None, 422, "sort"),
        ("GET", "/venues?per_page=101", None, 422, "per_page"),
        ("GET", "/venues/99", None, 404, None),
        ("PATCH", "/rooms/99", {"floor": 1}, 404, None),
        ("PATCH", "/venues/99", {"name": None}, 422, "name"),
        ("DELETE", "/sessions/99", None, 404, None),
        ("POST", "/sessions/99/cancel", {}, 404, None),
    ],
)
async def test_what_cannot_be_is_refused_with_a_problem(
    http: Http, people: People, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    answer = await http.ask(method, path, body, as_=await people.vendor())
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (status, "application/problem+json")
    if field:
        assert field in [error["field"] for error in answer.data["errors"]]


async def test_guests_and_customers_open_nothing(http: Http, people: People) -> None:
    ana = await people.customer()
    bodies: list[Any] = [
        {"name": "Sala"},
        {"venue_id": 1, "name": "Suite"},
        {"room_type_id": 1, "number": "1"},
        {"title": "Flow", "starts_at": str(tomorrow()), "ends_at": str(tomorrow(13))},
        {"venue_id": 1, "check_in": str(day_after(1)), "check_out": str(day_after(2))},
        {"venue_id": 1, "name": "Breakfast"},
        {"venue_id": 1, "code": "SPRING", "amount": 500},
    ]
    for subject, body in zip(SUBJECTS, bodies, strict=True):
        assert (await http.post(f"/{subject}", body)).status == 401
        assert (await http.post(f"/{subject}", body, as_=ana)).status in (403, 404)
        assert (await http.get(f"/{subject}")).status == (401 if subject == "closures" else 200)


async def test_deleting_what_is_booked_names_the_bookings(http: Http, people: People) -> None:
    vera, ana = await people.vendor(), await people.customer()
    session = await made(
        http, "/sessions", {"title": "Flow", "starts_at": str(tomorrow()), "ends_at": str(tomorrow(13))}, as_=vera
    )
    booking = await made(
        http, "/bookings", {"items": [{"kind": "place", "session_id": session["id"], "quantity": 1}]}, as_=ana
    )
    refused = await http.delete(f"/sessions/{session['id']}", as_=vera)
    assert (refused.status, refused.data["code"]) == (409, "has_bookings")
    assert [(one["id"], one["reference"]) for one in refused.data["bookings"]] == [
        (booking["id"], booking["reference"])
    ]
    cancelled = await http.post(f"/sessions/{session['id']}/cancel", {"reason": "Ill"}, as_=vera)
    assert (cancelled.status, cancelled.data["status"]) == (200, "cancelled")
    assert (await http.get(f"/bookings/{booking['id']}", as_=ana)).data["status"] == "cancelled"
