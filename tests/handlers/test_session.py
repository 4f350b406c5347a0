"""Pages log in by a cookie that no script can read, and only from this site."""

from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.doors import PASSWORD, Answer, AppServer, Http, People, Person

ANA = {"email": "ana@example.org", "password": PASSWORD, "full_name": "Ana Reis"}
LOGIN = {"email": "ana@example.org", "password": PASSWORD}


async def send(http: Http, what: str, body: Any, cookie: str | None = None, **headers: str) -> Answer:
    """Ask as a page of this site does."""
    sent = {"Origin": http.base} | headers | ({"Cookie": f"hub_session={cookie}"} if cookie else {})
    return await http.post(f"//session/{what}", body, headers=sent)


def cookies(answer: Answer) -> SimpleCookie:
    """Read what the answer sets."""
    found = SimpleCookie()
    for header in answer.headers.getall("Set-Cookie", ()):
        found.load(header)
    return found


async def test_a_page_gets_the_access_token_and_only_the_browser_the_refresh_token(http: Http) -> None:
    answer = await send(http, "register", ANA)
    assert answer.status == 201
    assert set(answer.data) == {"access_token", "expires_in", "user"}
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = cookies(answer)["hub_session"]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/session", "Lax", True)
    assert cookie.value not in answer.text
    assert (await http.get("/me", as_=answer.data["access_token"])).data["email"] == "ana@example.org"


async def test_each_refresh_brings_a_new_cookie_and_a_spent_one_ends_the_login(http: Http) -> None:
    first = cookies(await send(http, "register", ANA))["hub_session"].value
    answer = await send(http, "refresh", {}, first)
    second = cookies(answer)["hub_session"].value
    assert answer.status == 200
    assert second != first
    refused = await send(http, "refresh", {}, first)
    assert refused.status == 401
    assert cookies(refused)["hub_session"].value == cookies(refused)["hub_turn"].value == ""
    assert (await send(http, "refresh", {}, second)).status == 401


async def test_logging_out_ends_the_login_and_takes_the_cookies_back(http: Http) -> None:
    answer = await send(http, "register", ANA)
    out = await send(http, "logout", {}, cookies(answer)["hub_session"].value)
    assert out.status == 204
    assert cookies(out)["hub_session"]["max-age"] == "0"
    assert (await http.get("/me", as_=answer.data["access_token"])).status == 401


async def test_nobody_to_refresh_is_told_so(http: Http) -> None:
    for cookie in (None, "nonsense", "x" * 4_000):
        assert (await send(http, "refresh", {}, cookie)).status == 401


@pytest.mark.abuse("C17")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_another_site_can_neither_log_in_nor_out_nor_refresh(
    http: Http, people: People, headers: dict[str, str], status: int
) -> None:
    await send(http, "register", ANA)
    for what in ("login", "register", "refresh", "logout", "password"):
        assert (await send(http, what, LOGIN, **headers)).status == status


async def test_a_wrong_password_and_an_unknown_field_are_refused_as_by_the_api(
    http: Http, app_server: AppServer
) -> None:
    await send(http, "register", ANA)
    wrong = await send(http, "login", LOGIN | {"password": "not this one, no"})
    assert (wrong.status, wrong.data["code"]) == (401, "wrong_credentials")
    strange = await send(http, "login", LOGIN | {"admin": True})
    assert (strange.status, strange.data["errors"][0]["field"]) == (422, "admin")
    assert (await send(http, "login", LOGIN)).status == 200


@pytest.fixture
def people(app_server: AppServer) -> People:
    """Register people of the whole application."""
    return People(app_server.hub)


async def acts(http: Http, who: Person, cookie: str, user_id: int, **headers: str) -> Answer:
    """Ask from a page to act for somebody."""
    bearer = {"Authorization": f"Bearer {who.token}"} | headers
    return await send(http, "impersonation", {"user_id": user_id}, cookie, **bearer)


async def test_a_super_admin_acts_for_somebody_beside_their_own_login(http: Http, people: People) -> None:
    sam, rui = await people.admin("Sam Super", "super_admin"), await people.customer("Rui Reis")
    own = cookies(await send(http, "login", {"email": sam.email, "password": PASSWORD}))["hub_session"].value
    answer = await acts(http, sam, own, rui.id)
    assert answer.status == 200
    assert (answer.data["user"]["id"], answer.data["is_acting"]) == (rui.id, True)
    assert answer.headers["Cache-Control"] == "no-store"
    kept = cookies(answer)["hub_acting"]
    assert (kept["path"], kept["samesite"], kept["httponly"]) == ("/session", "Strict", True)
    assert int(kept["max-age"]) <= 900

    both = f"{own}; hub_acting={kept.value}"
    again = await send(http, "refresh", {}, both)
    assert (again.data["user"]["id"], again.data["is_acting"]) == (rui.id, True)
    assert 0 < again.data["expires_in"] <= 900
    assert cookies(again)["hub_turn"].value != cookies(answer)["hub_turn"].value

    ended = await send(http, "impersonation/end", {}, both)
    assert ended.status == 204
    assert cookies(ended)["hub_acting"]["max-age"] == "0"
    assert (await http.get("/me", as_=answer.data["access_token"])).status == 401
    back = await send(http, "refresh", {}, both)
    assert (back.data["user"]["id"], "is_acting" in back.data) == (sam.id, False)


async def test_logging_out_ends_what_is_done_for_others_too(http: Http, people: People) -> None:
    sam, rui = await people.admin("Sam Super", "super_admin"), await people.customer("Rui Reis")
    answer = await send(http, "login", {"email": sam.email, "password": PASSWORD})
    own, token = cookies(answer)["hub_session"].value, answer.data["access_token"]
    acting = (await acts(http, replace(sam, token=token), own, rui.id)).data["access_token"]
    out = await send(http, "logout", {}, own)
    assert cookies(out)["hub_acting"]["max-age"] == "0"
    assert (await http.get("/me", as_=acting)).status == 401


async def test_nobody_else_acts_for_anybody_and_no_other_site_makes_them(http: Http, people: People) -> None:
    sam, ada = await people.admin("Sam Super", "super_admin"), await people.admin("Ada Admin")
    rui = await people.customer("Rui Reis")
    assert (await acts(http, ada, "none", rui.id)).status == 403
    assert (await acts(http, rui, "none", ada.id)).status == 403
    assert (await acts(http, sam, "none", rui.id, Origin="https://evil.example")).status == 403
    assert (await acts(http, sam, "none", 999_999)).status == 404
    assert (await send(http, "impersonation", {"user_id": rui.id})).status == 401
