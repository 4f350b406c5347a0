"""What is not yours: found by no filter, and out of reach the moment it is not yours any more."""

from __future__ import annotations

from typing import Any

import pytest

from hub.models.bookings import MakeBooking
from hub.models.people import SuspendPerson
from hub.models.staff import NameColleague
from hub.services import bookings, staff
from hub.services import people as administration
from tests.abuse.scene import Scene, open_scene
from tests.doors import AppServer, Http, People
from tests.live.client import Refusal, Watcher


@pytest.fixture
async def scene(app_server: AppServer) -> Scene:
    """Open a venue in the whole application."""
    return await open_scene(app_server.hub, People(app_server.hub))


async def listed(http: Http, path: str, scene: Scene, who: str) -> tuple[int, list[Any]]:
    """List something as somebody: the status, and the ids or names found."""
    answer = await http.get(path, as_=scene.people[who])
    return answer.status, [one["id"] for one in answer.data.get("items", [])]


@pytest.mark.abuse("A9")
async def test_a_filter_narrows_what_one_may_see_and_never_widens_it(http: Http, scene: Scene) -> None:
    customer, venue = scene.person("customer").id, scene.venue.id
    both = sorted([scene.booking.id, scene.hold.id])
    assert sorted((await listed(http, "/bookings", scene, "customer"))[1]) == both
    for who in ("other", "elsewhere", "former"):
        for query in (
            f"user_id={customer}",
            f"user_id={customer}&per_page=100",
            f"session_id={scene.session.id}",
            "q=Ana",
        ):
            assert await listed(http, f"/bookings?{query}", scene, who) == (200, []), (who, query)
        for path in ("/bookings", "/dashboard", "/audit"):
            assert (await http.get(f"{path}?venue_id={venue}", as_=scene.people[who])).status == 404, (who, path)
        assert (await listed(http, f"/closures?venue_id={venue}", scene, who))[1] == []
        assert (await listed(http, "/closures", scene, who))[1] == []
    # A desk sees its venue's, of whomever; an admin everybody's, but only by asking for them.
    assert sorted((await listed(http, f"/bookings?venue_id={venue}", scene, "desk"))[1]) == both
    assert (await listed(http, "/bookings", scene, "desk"))[1] == []
    assert sorted((await listed(http, f"/bookings?user_id={customer}", scene, "admin"))[1]) == both


@pytest.mark.abuse("A9")
@pytest.mark.parametrize("path", ["/bookings", "/venues", "/closures", "/sessions", "/users", "/audit", "/me/logins"])
async def test_a_filter_that_is_none_is_refused(path: str, http: Http, scene: Scene) -> None:
    for query in (
        "user_id=*",
        "user_id[]=1",
        "venue_id%5B%5D=1",
        "include=user.payments",
        "fields=password_hash",
        "expand=user",
        "owner=all",
        "all=true",
        "user_id=1&user_id=2",
        "venue_id=1%20OR%201=1",
    ):
        assert (await http.get(f"{path}?{query}", as_=scene.person("super"))).status == 422, query


@pytest.mark.abuse("A9")
async def test_what_is_not_active_is_listed_for_who_runs_it_and_nobody_else(http: Http, scene: Scene) -> None:
    closed = {"is_active": False}
    assert (await http.patch(f"/venues/{scene.venue.id}", closed, as_=scene.person("owner"))).status == 200
    for path in ("/venues", "/room-types", "/rooms", "/addons", "/sessions"):
        for filters in ("", "is_active=false", f"venue_id={scene.venue.id}", f"owner_id={scene.person('owner').id}"):
            for who in ("guest", "customer", "elsewhere", "former"):
                answer = await http.get(f"{path}?{filters}", as_=scene.people[who])
                assert scene.venue.id not in _venues(answer.data.get("items", [])), (path, filters, who)
        for who in ("owner", "manager", "desk", "admin"):
            answer = await http.get(f"{path}?per_page=100", as_=scene.people[who])
            assert scene.venue.id in _venues(answer.data["items"]), (path, who)


def _venues(items: list[Any]) -> set[int]:
    return {one.get("venue_id", one["id"]) for one in items}


@pytest.mark.abuse("A12", "B11")
async def test_who_booked_for_a_guest_reads_it_no_longer_than_they_work_there(http: Http, scene: Scene) -> None:
    desk, guest = scene.person("desk"), scene.person("customer")
    ask = MakeBooking.model_validate({"items": [scene.slot()], "user_id": guest.id})
    booked = await bookings.make(scene.hub, desk.actor, ask)
    assert booked.booked_by == desk.id
    assert (await http.get(f"/bookings/{booked.id}", as_=desk)).status == 200
    await staff.remove(scene.hub, scene.person("owner").actor, NameColleague(venue_id=scene.venue.id, user_id=desk.id))
    missing = (await http.get("/bookings/999999999", as_=desk)).data["detail"]
    for method, path in (
        ("GET", f"/bookings/{booked.id}"),
        ("GET", f"/bookings/{booked.id}/changes"),
        ("GET", f"/bookings/{booked.id}/log"),
        ("POST", f"/bookings/{booked.id}/cancel"),
        ("GET", f"/venues/{scene.venue.id}/desk/snapshot"),
    ):
        answer = await http.ask(method, path, as_=desk)
        assert (answer.status, answer.data["detail"]) == (404, missing), path


@pytest.mark.abuse("A12", "A8")
async def test_live_rooms_are_entered_by_the_same_right_as_over_http(app_server: AppServer, scene: Scene) -> None:
    for who, person in scene.people.items():
        async with Watcher(app_server.url, person.token if person else None) as watcher:
            for name, may in (
                ("desks.watch", ("owner", "manager", "desk", "admin", "super")),
                ("venues.watch", tuple(scene.people)),
                ("me.watch", tuple(name for name in scene.people if name != "guest")),
            ):
                named = {} if name == "me.watch" else {"venue_id": scene.venue.id}
                if who in may:
                    await watcher.ask(name, named)
                    continue
                with pytest.raises(Refusal) as refused:
                    await watcher.ask(name, named)
                assert refused.value.code == ("unauthenticated" if who == "guest" else "not_found"), (who, name)


@pytest.mark.abuse("A1", "A3", "C7")
async def test_a_suspended_persons_things_are_out_of_their_reach_at_once(http: Http, scene: Scene) -> None:
    customer = scene.person("customer")
    ask = SuspendPerson(user_id=customer.id, reason="chair")
    await administration.suspend(scene.hub, scene.person("admin").actor, ask)
    for method, path in (
        ("GET", f"/bookings/{scene.booking.id}"),
        ("POST", f"/bookings/{scene.booking.id}/cancel"),
        ("POST", f"/holds/{scene.hold.id}/confirm"),
        ("GET", "/me"),
    ):
        assert (await http.ask(method, path, as_=customer)).status == 401
    assert (await http.get(f"/bookings/{scene.booking.id}", as_=scene.person("desk"))).data["status"] == "confirmed"
