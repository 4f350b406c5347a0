import asyncio
from typing import Any

import pytest

from hub.models.users import ChangeMe, Login, Tokens, User
from tests.doors import PASSWORD, Answer, AppServer, Http

ANA = {"email": "ana@example.org", "password": PASSWORD, "full_name": "Ana Reis"}
# Every way of asking that needs to know who asks.
FOR_PEOPLE = [
    ("POST", "/auth/logout"),
    ("POST", "/auth/logout-everywhere"),
    ("GET", "/me"),
    ("PATCH", "/me"),
    ("GET", "/me/logins"),
    ("DELETE", "/me/logins/0190b5a2-7c5e-7000-8000-000000000001"),
]


async def registered(http: Http, **more: Any) -> Any:
    answer = await http.post("/auth/register", ANA | more)
    assert answer.status == 201, answer.text
    return answer.data


def is_problem(answer: Answer, status: int, code: str, *fields: str) -> None:
    assert (answer.status, answer.data["code"], answer.data["status"]) == (status, code, status), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {error["field"] for error in answer.data.get("errors", [])} == set(fields)
    assert PASSWORD not in answer.text


async def test_register_log_in_look_refresh_and_log_out(http: Http) -> None:
    first = await registered(http)
    assert set(first) == set(Tokens.model_fields)
    assert set(first["user"]) == set(User.model_fields)
    assert (first["token_type"], first["user"]["roles"]) == ("Bearer", ["customer"])

    again = await http.post("/auth/login", {"username": "ANA@example.org", "password": PASSWORD})
    assert again.status == 200
    assert again.data["user"] == first["user"]
    me = await http.get("/me", as_=again.data["access_token"])
    assert (me.status, me.data) == (200, first["user"])

    fresh = await http.post("/auth/refresh", {"refresh_token": again.data["refresh_token"]})
    assert fresh.status == 200
    gone = await http.post("/auth/logout", as_=fresh.data["access_token"])
    assert (gone.status, gone.body) == (204, b"")
    for dead in (again, fresh):
        is_problem(await http.get("/me", as_=dead.data["access_token"]), 401, "unauthenticated")
    is_problem(await http.post("/auth/refresh", {"refresh_token": fresh.data["refresh_token"]}), 401, "unauthenticated")
    assert (await http.get("/me", as_=first["access_token"])).status == 200

    assert (await http.post("/auth/logout-everywhere", as_=first["access_token"])).status == 204
    is_problem(await http.get("/me", as_=first["access_token"]), 401, "unauthenticated")


async def test_a_refresh_token_that_comes_twice_ends_its_login(http: Http) -> None:
    given = await registered(http)
    fresh = await http.post("/auth/refresh", {"refresh_token": given["refresh_token"]})
    is_problem(await http.post("/auth/refresh", {"refresh_token": given["refresh_token"]}), 401, "unauthenticated")
    is_problem(await http.get("/me", as_=fresh.data["access_token"]), 401, "unauthenticated")


async def test_of_many_refreshes_at_once_one_wins_and_none_breaks(http: Http) -> None:
    given = await registered(http)
    answers = await asyncio.gather(
        *(http.post("/auth/refresh", {"refresh_token": given["refresh_token"]}) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] + [401] * 19


async def test_of_many_who_register_one_address_at_once_one_succeeds(http: Http) -> None:
    answers = await asyncio.gather(*(http.post("/auth/register", ANA) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    assert {answer.data["code"] for answer in answers if answer.status == 409} == {"email_taken"}


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"email": "nonsense"}, {"email"}),
        ({"password": "short"}, {"password"}),
        ({"password": "ana@example.org"}, {"password"}),
        ({"password": 1234567890}, {"password"}),
        ({"full_name": "", "email": None}, {"full_name", "email"}),
        ({"role": "admin"}, {"role"}),
        ({"roles": ["admin"], "is_admin": True}, {"roles", "is_admin"}),
        ({"language": "fr", "currency": "dollars"}, {"language", "currency"}),
        ({"full_name": "A\x00"}, {"full_name"}),
    ],
)
async def test_a_bad_registration_is_refused_by_field_and_opens_nothing(
    http: Http, changed: dict[str, Any], fields: set[str]
) -> None:
    is_problem(await http.post("/auth/register", ANA | changed), 422, "invalid", *fields)
    is_problem(await http.post("/auth/login", {"email": ANA["email"], "password": PASSWORD}), 401, "wrong_credentials")


async def test_every_field_that_is_missing_is_named(http: Http) -> None:
    is_problem(await http.post("/auth/register", {}), 422, "invalid", "email", "password", "full_name")
    is_problem(await http.post("/auth/login", {}), 422, "invalid", "password")
    is_problem(await http.post("/auth/login", {"password": PASSWORD}), 422, "invalid", "email")
    is_problem(await http.post("/auth/refresh", {}), 422, "invalid", "refresh_token")


async def test_half_a_surrogate_pair_is_refused_and_breaks_nothing(http: Http) -> None:
    await registered(http)
    for field in ("email", "password"):
        body = b'{"email": "ana@example.org", "password": "%s"}' % PASSWORD.encode()
        body = body.replace(b'"%s": "' % field.encode(), b'"%s": "\\ud800' % field.encode())
        answer = await http.post("/auth/login", data=body)
        assert 400 <= answer.status < 500, answer.text


async def test_wrong_password_and_unknown_address_have_one_answer(http: Http) -> None:
    await registered(http)
    answers = [
        await http.post("/auth/login", {"email": email, "password": "wrong horse battery"})
        for email in ("ana@example.org", "nobody@example.org")
    ]
    for answer in answers:
        is_problem(answer, 401, "wrong_credentials")
    one, other = ({**answer.data, "request_id": ""} for answer in answers)
    assert one == other


@pytest.mark.parametrize(("method", "path"), FOR_PEOPLE)
async def test_what_is_about_oneself_needs_a_good_access_token(http: Http, method: str, path: str) -> None:
    given = await registered(http)
    is_problem(await http.ask(method, path), 401, "unauthenticated")
    for token in ("garbage", given["refresh_token"], given["access_token"] + "x", "a.b.c"):
        is_problem(await http.ask(method, path, as_=token), 401, "unauthenticated")
    for header in ("", "Bearer", "Bearer ", f"Basic {given['access_token']}", given["access_token"]):
        is_problem(await http.ask(method, path, headers={"Authorization": header}), 401, "unauthenticated")
    is_problem(await http.ask(method, f"{path}?access_token={given['access_token']}"), 401, "unauthenticated")


async def test_who_is_suspended_is_out_at_once(app_server: AppServer, http: Http) -> None:
    given = await registered(http)
    async with app_server.hub.pool.acquire() as db:
        await db.execute("UPDATE users SET status = 'suspended'")
    is_problem(await http.get("/me", as_=given["access_token"]), 401, "unauthenticated")
    is_problem(await http.post("/auth/refresh", {"refresh_token": given["refresh_token"]}), 401, "unauthenticated")
    is_problem(await http.post("/auth/login", {"email": ANA["email"], "password": PASSWORD}), 403, "forbidden")


async def test_one_changes_ones_own_profile(http: Http) -> None:
    token = (await registered(http))["access_token"]
    change = {
        "full_name": "Ana María Reis",
        "first_name": "Ana María",
        "last_name": "Reis",
        "phone": "+855 12 345 678",
        "birth_date": "1990-05-15",
        "gender": "female",
        "bio": "Two\nlines.",
        "specialisation": "Yoga",
        "language": "km",
        "currency": "KHR",
        "notification_choices": {"email": True, "sms": False},
    }
    assert set(change) == set(ChangeMe.model_fields)
    answer = await http.patch("/me", change, as_=token)
    assert answer.status == 200, answer.text
    assert {name: answer.data[name] for name in change} == change | {"phone": "+85512345678"}
    assert (await http.get("/me", as_=token)).data == answer.data

    same = await http.patch("/me", {"bio": None}, as_=token)
    assert same.data == answer.data | {"bio": None}
    is_problem(
        await http.patch("/me", {"full_name": None, "email": "x@y.org"}, as_=token),
        422,
        "invalid",
        "full_name",
        "email",
    )
    assert (await http.get("/me", as_=token)).data == same.data


async def test_devices_are_listed_and_logged_out(http: Http) -> None:
    await registered(http)
    login = {"email": ANA["email"], "password": PASSWORD}
    laptop = (await http.post("/auth/login", login, headers={"User-Agent": "Laptop"})).data
    phone = (await http.post("/auth/login", login, headers={"User-Agent": "Phone"})).data
    ben = await registered(http, email="ben@example.org")

    page = (await http.get("/me/logins", as_=laptop["access_token"])).data
    assert page["meta"] == {"page": 1, "per_page": 20, "total_items": 3, "total_pages": 1}
    assert set(page["items"][0]) == set(Login.model_fields)
    assert [(one["device"], one["is_current"]) for one in page["items"][:2]] == [("Phone", False), ("Laptop", True)]
    assert page["items"][0]["address"] == "127.0.0.1"
    narrow = (await http.get("/me/logins?per_page=1&page=2", as_=laptop["access_token"])).data
    assert [one["device"] for one in narrow["items"]] == ["Laptop"]

    path = f"/me/logins/{page['items'][0]['id']}"
    is_problem(await http.delete(path, as_=ben["access_token"]), 404, "not_found")
    assert (await http.delete(path, as_=laptop["access_token"])).status == 204
    is_problem(await http.get("/me", as_=phone["access_token"]), 401, "unauthenticated")
    is_problem(await http.delete(path, as_=laptop["access_token"]), 404, "not_found")
    for nonsense in ("1", "nonsense", "' OR 1=1"):
        assert (
            await http.delete(f"/me/logins/{nonsense.replace(' ', '%20')}", as_=laptop["access_token"])
        ).status == 404


async def test_no_cache_keeps_tokens_or_what_is_personal(http: Http) -> None:
    await registered(http)
    answer = await http.post("/auth/login", {"email": ANA["email"], "password": PASSWORD})
    assert answer.headers["Cache-Control"] == "no-store"
    me = await http.get("/me", as_=answer.data["access_token"])
    assert me.headers["Cache-Control"] == "no-store"


async def test_an_expired_access_token_does_not_stand_in_the_way_of_the_next(http: Http) -> None:
    given = await registered(http)
    await http.post("/auth/logout", as_=given["access_token"])
    old = given["access_token"]
    fresh = await http.post("/auth/login", {"email": ANA["email"], "password": PASSWORD}, as_=old)
    assert fresh.status == 200, fresh.text
    again = await http.post("/auth/refresh", {"refresh_token": fresh.data["refresh_token"]}, as_=old)
    assert again.status == 200, again.text
    assert (await http.post("/auth/register", ANA | {"email": "ben@example.org"}, as_=old)).status == 201
