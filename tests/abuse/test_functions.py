"""Functions above one's role: reached by no spelling of their address, and by no field that was smuggled in."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import hdrs

from handlers.describe.schemas import schemas
from handlers.endpoint import EVERYBODY, SIGNED_IN
from handlers.over_http import BASE, WITH_BODY
from handlers.table import table
from hub.app import build
from hub.models.webhooks import CreateWebhook
from hub.services import webhooks
from tests.abuse.scene import Scene, open_scene
from tests.builders import make_offer, make_rate
from tests.doors import PASSWORD, AppServer, Http, People
from tests.handlers.bad_input import base
from tests.stock import contents

PRIVILEGED = sorted(name for name, one in table().items() if one.may not in (EVERYBODY, SIGNED_IN))
# Fields that decide what somebody is worth or may do, and none that they may send.
SMUGGLED: dict[str, Any] = {
    "role": "super_admin",
    "roles": ["super_admin"],
    "is_admin": True,
    "permissions": ["user:manage"],
    "rank": 100,
    "owner_id": 1,
    "user_id": 1,
    "venue_id": 1,
    "wallet_balance": 10**6,
    "loyalty_points": 10**6,
    "is_student": True,
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "status": "confirmed",
    "price": 1,
    "amount": 1,
    "booked_by": 1,
    "created_at": "2020-01-01T00:00:00Z",
    "token_version": 1,
    "impersonator_id": 1,
    "id": 1,
}


@pytest.fixture
async def scene(app_server: AppServer) -> Scene:
    """Open a venue in the whole application."""
    return await open_scene(app_server.hub, People(app_server.hub))


@pytest.mark.abuse("B1")
async def test_no_spelling_of_its_address_leads_a_customer_to_what_admins_do(http: Http, scene: Scene) -> None:
    customer, before = scene.person("customer"), await contents(scene.hub)
    target = scene.person("other").id
    users = f"/users/{target}"
    for method, path in (
        ("GET", "/users"),
        ("GET", "/users/"),
        ("HEAD", "/users"),
        ("GET", "//users"),
        ("GET", "/./users"),
        ("GET", "/me/../users"),
        ("GET", "/%75sers"),
        ("GET", "/users%2f"),
        ("GET", "/users;a=b"),
        ("GET", "/users%00"),
        ("GET", "/Users"),
        ("GET", "/USERS"),
        ("GET", "/users?access=admin"),
        ("DELETE", users),
        ("DELETE", f"{users}/"),
        ("DELETE", f"//users/{target}"),
        ("POST", f"{users}/suspend"),
        ("POST", f"{users}/suspend/"),
        ("PUT", f"{users}/roles"),
        ("POST", f"{users}/impersonate"),
        ("TRACE", users),
        ("PROPFIND", users),
    ):
        answer = await http.ask(method, path, {} if method in WITH_BODY else None, as_=customer)
        assert answer.status in (403, 404, 405, 422), (method, path, answer.status)
        assert b"@example.org" not in answer.body
    options = await http.ask("OPTIONS", users, as_=customer)
    assert (options.status, options.body) == (204, b"")
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
        value = "/api/v1/users" if name.endswith("URL") else "DELETE"
        answer = await http.get(f"/users/{target}", as_=customer, headers={name: value})
        assert answer.status == 403
        answer = await http.get("/me", as_=customer, headers={name: value})
        assert (answer.status, answer.data["id"]) == (200, customer.id)
    assert await contents(scene.hub) == before


# Which it is does not matter: who may not is refused before anybody looks.
MONEY = {"payment_id": 1, "refund_id": 1, "adjustment_id": 1}


@pytest.mark.abuse("B1")
async def test_the_table_gives_every_route_a_policy_and_strangers_nothing_by_default(
    app_server: AppServer, http: Http, scene: Scene
) -> None:
    policies = {(one.method, f"{BASE}{one.path}"): one.may for one in table().values()}
    assert all(policies.values())
    changing = {one.name for one in table().values() if one.method != "GET" and one.may == EVERYBODY}
    assert {name.partition(".")[0] for name in changing} <= {"auth", "invitations", "quotes"}
    assert len(PRIVILEGED) > 15
    known = schemas()
    for name in PRIVILEGED:
        one = table()[name]
        path = one.path.replace("{user_id}", str(scene.person("other").id)).replace("{role_id}", str(scene.role.id))
        for parameter, number in MONEY.items():
            path = path.replace(f"{{{parameter}}}", str(number))
        body = base(one, known) if one.method in WITH_BODY and one.ask else None
        if one.may.endswith(":create") and one.subject in ("bookings", "holds"):
            continue
        assert (await http.ask(one.method, path, body)).status == 401, name
        assert (await http.ask(one.method, path, body, as_=scene.person("customer"))).status == 403, name
    routes = [route for route in build(app_server.running).router.routes() if route.resource is not None]
    assert not [one for one in routes if one.method == hdrs.METH_ANY and one.resource.canonical.startswith(BASE)]


@pytest.mark.abuse("B2")
async def test_a_field_that_nobody_may_send_is_refused_everywhere_and_changes_nothing(http: Http, scene: Scene) -> None:
    sent_to = CreateWebhook(venue_id=scene.venue.id, url="https://1.1.1.1/hooks")
    hook = await webhooks.create(scene.hub, scene.person("owner").actor, sent_to)
    offer = await make_offer(scene.hub, scene.person("owner").actor, scene.venue)
    rate = await make_rate(scene.hub, scene.person("owner").actor, scene.hall_type)
    known, before = schemas(), await contents(scene.hub)
    ids: dict[str, Any] = {
        "venue_id": scene.venue.id,
        "room_type_id": scene.hall_type.id,
        "room_id": scene.room.id,
        "session_id": scene.session.id,
        "closure_id": scene.closure.id,
        "addon_id": scene.addon.id,
        "offer_id": offer.id,
        "rate_id": rate.id,
        "webhook_id": hook.webhook.id,
        "booking_id": scene.booking.id,
        "user_id": scene.colleague.id,
        "role_id": scene.role.id,
        "provider": "google",
    } | MONEY
    for one in table().values():
        if one.method not in WITH_BODY or one.ask is None:
            continue
        body, path = base(one, known), one.path.format_map(ids)
        fields = {field.alias or name for name, field in one.ask.model_fields.items()}
        for name, value in SMUGGLED.items():
            if name in fields and f"{{{name}}}" not in one.path:
                continue
            answer = await http.ask(one.method, path, body | {name: value}, as_=scene.person("super"))
            assert answer.status == 422, (one.name, name, answer.text)
            assert any(error["field"].startswith(name) for error in answer.data["errors"]), (one.name, name)
    assert await contents(scene.hub) == before


@pytest.mark.abuse("B2")
async def test_the_price_the_owner_and_the_state_are_the_hubs_to_say(http: Http, scene: Scene) -> None:
    customer = scene.person("customer")
    for more in ({"price": 1}, {"status": "confirmed"}, {"expires_at": "2199-01-01T00:00:00Z"}, {"booked_by": 1}):
        assert (await http.post("/bookings", {"items": [scene.slot()]} | more, as_=customer)).status == 422
        assert (await http.post("/bookings", {"items": [scene.slot() | more]}, as_=customer)).status == 422
    made = await http.post("/bookings", {"items": [scene.slot()]}, as_=customer)
    assert (made.status, made.data["user_id"], made.data["booked_by"]) == (201, customer.id, customer.id)
    changed = await http.patch("/me", {"bio": "Hello", "loyalty_points": 5}, as_=customer)
    assert changed.status == 422
    assert (await http.get("/me", as_=customer)).data["loyalty_points"] == 0


@pytest.mark.abuse("B3")
async def test_json_that_readers_understand_differently_is_refused(http: Http, scene: Scene) -> None:
    before = await contents(scene.hub)
    for text in (
        b'{"bio": "a", "bio": "b"}',
        b'{"bio": "a", "\\u0062io": "b"}',
        b'{"__proto__": {"roles": ["admin"]}}',
        b'{"constructor": {"prototype": {"is_admin": true}}}',
        b'{"bio": ["a"]}',
        b'{"bio": {"$ne": null}}',
        b'{"notification_choices": {"a": {"b": true}}}',
        b'{"notification_choices": [[]]}',
        b'{"full_name": NaN}',
        b'{"full_name": 1e400}',
        b'{"full_name": -Infinity}',
        b'{"birth_date": 99999999999999999999999999}',
        b'{"bio": "\\u0000"}',
        b'{"bio": "\\ud800"}',
        b'{"bio": ' + b'{"a":' * 50 + b"1" + b"}" * 51,
    ):
        answer = await http.ask("PATCH", "/me", data=text, as_=scene.person("customer"))
        assert answer.status == 422, text
    for text in (b"", b"[]", b"null", b'"x"', b"{", b"\xff\xfe", b"{'bio': 1}", b'{"bio": "a"} {}', b"[" * 100_000):
        answer = await http.ask("PATCH", "/me", data=text, as_=scene.person("customer"))
        assert answer.status in (200, 400), text
    assert await contents(scene.hub) == before


async def test_the_pages_way_to_act_for_somebody_is_the_super_admins_too(http: Http, scene: Scene) -> None:
    body, origin = {"user_id": scene.person("other").id}, {"Origin": http.base}
    for who, person in scene.people.items():
        answer = await http.post("//session/impersonation", body, as_=person, headers=origin)
        expected = {"guest": 401, "super": 200}.get(who, 403)
        assert answer.status == expected, who
        assert ("access_token" in answer.data) == (who == "super")
    foreign = {"Origin": "https://evil.example.org"}
    assert (await http.post("//session/impersonation", body, as_=scene.person("super"), headers=foreign)).status == 403


async def test_whoever_acts_for_somebody_is_refused_over_both_wires_what_is_done_in_person(
    http: Http, scene: Scene
) -> None:
    customer, known = scene.person("customer"), schemas()
    acting = await http.post(f"/users/{customer.id}/impersonate", as_=scene.person("super"))
    assert (acting.status, acting.data["user"]["id"]) == (200, customer.id)
    token = acting.data["access_token"]
    assert (await http.get(f"/bookings/{scene.booking.id}", as_=token)).status == 200
    before = await contents(scene.hub)
    ids = {"booking_id": scene.booking.id, "session_id": scene.session.id, "user_id": customer.id}
    others = {"login_id": customer.actor.login_id, "provider": "google", "offer_id": 1} | MONEY
    in_person = [one for one in table().values() if one.in_person]
    assert len(in_person) > 15
    for one in in_person:
        path = one.path.format_map(ids | others)
        body = base(one, known) if one.method in WITH_BODY and one.ask else None
        answer = await http.ask(one.method, path, body, as_=token)
        # What the customer could not do either is refused for that.
        assert answer.status == 403, (one.name, answer.text)
        assert answer.data["code"] in ("not_in_person", "forbidden"), one.name
    assert await contents(scene.hub) == before
    login = await http.post("/auth/login", {"email": customer.email, "password": PASSWORD})
    assert login.status == 200
