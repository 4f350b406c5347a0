"""Cancelling and refunds over HTTP: shown, done once however often it is sent, decided, and in whole numbers only."""

from __future__ import annotations

from typing import Any

import pytest

from hub.models.terms import Terms
from tests import builders
from tests.doors import AppServer, Http, People, Person
from tests.money.coming_in import paid


async def test_a_guest_sees_what_cancelling_gives_back_and_has_it_once_however_often_they_send_it(
    app_server: AppServer, http: Http, people: People
) -> None:
    hub = app_server.hub
    owner, guest = await people.vendor(), await people.customer()
    venue = await builders.make_venue(hub, owner.actor, terms=Terms(refund_approval_above=5000))
    session = await builders.make_session(hub, owner.actor, venue, starts_at=builders.tomorrow(days=9))
    booked = await builders.make_booking(hub, guest.actor, builders.place(session, 3))
    await paid(hub, booked)
    path, item = f"/bookings/{booked.id}", booked.items[0].id
    shown = await http.get(f"{path}/cancellation?item_ids={item}&guests=1", as_=guest)
    assert (shown.status, shown.data["gives_back"], shown.data["needs_approval"]) == (200, 2500, False)
    ask, key = {"item_ids": [item], "guests": 1, "reason": "Rain."}, {"Idempotency-Key": "one-less"}
    first, again = [await http.post(f"{path}/cancel", ask, as_=guest, headers=key) for _ in range(2)]
    assert (first.status, again.status) == (200, 200)
    assert first.data == again.data
    assert [one["amount"] for one in first.data["refunds"]] == [2500]
    assert (first.data["price"], first.data["paid"], first.data["items"][0]["quantity"]) == (5000, 5000, 2)
    rest = await http.post(f"{path}/cancel", {}, as_=guest)
    (waiting,) = rest.data["refunds"]
    assert (rest.data["status"], waiting["status"]) == ("cancelled", "pending")
    assert (await http.post(f"{path}/cancel", {}, as_=guest)).status == 409
    await _decided(http, owner, guest, waiting)


async def _decided(http: Http, owner: Person, guest: Person, refund: dict[str, Any]) -> None:
    path = f"/refunds/{refund['id']}"
    assert (await http.post(f"{path}/approve", {}, as_=guest)).status == 403
    assert (await http.post(f"{path}/reject", {}, as_=owner)).status == 422
    key = {"Idempotency-Key": "decided"}
    for _ in range(2):
        done = await http.post(f"{path}/approve", {"reason": "They are ill."}, as_=owner, headers=key)
        assert (done.status, done.data["status"]) == (200, "approved")
    listed = await http.get("/refunds", as_=guest)
    assert [one["status"] for one in listed.data["items"]] == ["approved", "approved"]


@pytest.mark.abuse("H24")
async def test_what_is_no_whole_number_of_things_is_refused(http: Http, app_server: AppServer, people: People) -> None:
    owner, guest = await people.facilitator(), await people.customer()
    session = await builders.make_session(app_server.hub, owner.actor)
    booked = await builders.make_booking(app_server.hub, guest.actor, builders.place(session, 3))
    for what in (
        {"guests": 0},
        {"guests": -1},
        {"guests": 1.5},
        {"guests": 4},
        {"guests": "1"},
        {"item_ids": []},
        {"item_ids": [1e-7]},
        {"amount": 100},
        {"percent": 100},
        {"reason_code": "free"},
    ):
        answer = await http.post(f"/bookings/{booked.id}/cancel", what, as_=guest)
        assert answer.status == 422, (what, answer.text)
    assert (await http.get(f"/bookings/{booked.id}", as_=guest)).data["items"][0]["quantity"] == 3
