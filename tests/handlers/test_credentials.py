"""Codes, links, passwords and second factors over HTTP, as clients and pages use them."""

from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pyotp
import pytest

from hub.core import Hub
from hub.services import codes
from hub.services.totp import STEP_SECONDS
from storage import users
from tests.doors import PASSWORD, Answer, AppServer, Http
from tests.mailbox import code_for, letters_to, link_for

ANA = {"email": "ana@example.org", "password": PASSWORD, "full_name": "Ana Reis"}
LOGIN = {"email": "ana@example.org", "password": PASSWORD}
NEXT = "another horse battery staple"


async def registered(http: Http, **more: Any) -> str:
    answer = await http.post("/auth/register", ANA | more)
    assert answer.status == 201, answer.text
    return str(answer.data["access_token"])


async def page(http: Http, what: str, body: Any, cookie: str | None = None, **how: Any) -> Answer:
    """Ask as a page of this site does."""
    sent = {"Origin": http.base} | ({"Cookie": cookie} if cookie else {})
    return await http.post(f"//session/{what}", body, headers=sent, **how)


def cookies(answer: Answer) -> SimpleCookie:
    found = SimpleCookie()
    for header in answer.headers.getall("Set-Cookie", ()):
        found.load(header)
    return found


def kept(answer: Answer) -> str:
    """Answer the cookie as a browser sends it back."""
    return f"hub_session={cookies(answer)['hub_session'].value}"


def shown(hub: Hub, secret: str, steps: int = 0) -> str:
    """Show what an authenticator shows, so many steps from now."""
    return pyotp.TOTP(secret).generate_otp(int(hub.clock.now().timestamp()) // STEP_SECONDS + steps)


async def test_sign_up_verify_forget_reset_and_change(http: Http, app_server: AppServer) -> None:
    hub = app_server.hub
    token = await registered(http)
    code = await code_for(hub, ANA["email"])
    verified = await http.post("/me/verifications/check", {"channel": "email", "code": code}, as_=token)
    assert (verified.status, verified.data["email_verified"]) == (200, True)
    again = await http.post("/me/verifications", {"channel": "email"}, as_=token)
    assert (again.status, again.data["code"]) == (409, "already_verified")
    used = await http.post("/me/verifications/check", {"channel": "email", "code": code}, as_=token)
    assert (used.status, used.data["code"], used.data["tries_left"]) == (410, "code_gone", 0)

    forgot = await http.post("/auth/forgot-password", {"email": ANA["email"]})
    assert (forgot.status, forgot.data) == (202, {"expires_in": 600, "link_expires_in": 1800})
    link = await link_for(hub, ANA["email"])
    proof = {"token": link.partition("#token=")[2], "password": NEXT}
    assert (await http.post("/auth/reset-password", proof)).status == 204
    assert (await http.get("/me", as_=token)).status == 401
    assert (await http.post("/auth/reset-password", proof)).status == 410

    fresh = (await http.post("/auth/login", LOGIN | {"password": NEXT})).data["access_token"]
    changed = await http.post("/me/password", {"current_password": NEXT, "password": PASSWORD}, as_=fresh)
    assert changed.status == 200, changed.text
    assert (await http.get("/me", as_=fresh)).status == 401
    token = changed.data["access_token"]

    asked = await http.post("/me/email", {"email": "new@example.org", "password": PASSWORD}, as_=token)
    assert (asked.status, asked.data) == (202, {"to": "n***@example.org", "expires_in": 600})
    code = await code_for(hub, "new@example.org")
    confirmed = await http.post("/me/email/confirm", {"code": code}, as_=token)
    assert (confirmed.status, confirmed.data["email"]) == (200, "new@example.org")


async def test_setting_up_a_second_factor_and_logging_in_with_it(http: Http, app_server: AppServer) -> None:
    hub = app_server.hub
    token = await registered(http)
    assert (await http.get("/me/totp", as_=token)).data == {
        "is_on": False,
        "is_required": False,
        "recovery_codes_left": 0,
    }
    wrong = await http.post("/me/totp", {"password": NEXT}, as_=token)
    assert (wrong.status, wrong.data["code"]) == (403, "wrong_password")
    enrolment = (await http.post("/me/totp", {"password": PASSWORD}, as_=token)).data
    assert set(enrolment) == {"secret", "uri", "qr_svg"}
    secret = enrolment["secret"]
    confirmed = await http.post("/me/totp/confirm", {"code": shown(hub, secret)}, as_=token)
    assert confirmed.status == 200, confirmed.text
    assert len(confirmed.data["recovery_codes"]) == 10

    for log_in in (http.post("/auth/login", LOGIN), page(http, "login", LOGIN)):
        needed = await log_in
        assert (needed.status, needed.data["code"]) == (401, "second_factor_needed")
    wrong = await http.post("/auth/login", LOGIN | {"totp_code": shown(hub, secret, 40)})
    assert (wrong.status, wrong.data["code"]) == (401, "wrong_second_factor")
    entered = await page(http, "login", LOGIN | {"totp_code": shown(hub, secret, 1)})
    assert entered.status == 200, entered.text

    both = {"password": PASSWORD, "code": confirmed.data["recovery_codes"][0]}
    renewed = await http.post("/me/totp/recovery-codes", both, as_=token)
    assert renewed.status == 200
    both["code"] = renewed.data["recovery_codes"][0]
    assert (await http.post("/me/totp/end", both, as_=token)).status == 204
    assert (await http.post("/auth/login", LOGIN)).status == 200


async def test_an_admin_who_needs_a_second_factor_can_only_set_one_up(http: Http, app_server: AppServer) -> None:
    hub = app_server.hub
    token = await registered(http)
    async with hub.pool.acquire() as db:
        await users.grant_role(db, 1, "admin")
    hub.settings = replace(hub.settings, admin_totp=True)
    for method, path in (("GET", "/venues"), ("GET", "/users"), ("PATCH", "/me"), ("GET", "/me/logins")):
        refused = await http.ask(method, path, {} if method == "PATCH" else None, as_=token)
        assert (refused.status, refused.data["code"]) == (403, "second_factor_required"), path
    assert (await http.get("/me", as_=token)).status == 200
    enrolment = (await http.post("/me/totp", {"password": PASSWORD}, as_=token)).data
    answer = await http.post("/me/totp/confirm", {"code": shown(hub, enrolment["secret"])}, as_=token)
    assert answer.status == 200, answer.text
    assert (await http.get("/me/logins", as_=token)).status == 200
    assert (await http.get("/me/totp", as_=token)).data["is_required"] is True


@pytest.mark.abuse("D9")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Server": "evil.example"},
        {"Origin": "https://evil.example", "Referer": "https://evil.example/"},
    ],
)
async def test_the_link_leads_to_the_hub_and_nowhere_else(
    http: Http, app_server: AppServer, headers: dict[str, str]
) -> None:
    hub = app_server.hub
    await registered(http)
    answer = await http.post("/auth/forgot-password", {"email": ANA["email"]}, headers=headers)
    assert answer.status in (202, 400, 403, 421), answer.text
    for letter in await letters_to(hub, ANA["email"]):
        assert "evil" not in letter.text + (letter.html or "")
    if answer.status == 202:
        assert (await link_for(hub, ANA["email"])).startswith(f"{hub.settings.public_url}/reset-password#token=")


@pytest.mark.abuse("C5")
async def test_a_token_of_one_kind_is_good_for_nothing_else(http: Http, app_server: AppServer) -> None:
    hub = app_server.hub
    tokens = (await http.post("/auth/register", ANA)).data
    await http.post("/auth/forgot-password", {"email": ANA["email"]})
    link = (await link_for(hub, ANA["email"])).partition("#token=")[2]
    for no_access_token in (tokens["refresh_token"], link, codes.draw_link()):
        assert (await http.get("/me", as_=no_access_token)).status == 401
    for no_refresh_token in (tokens["access_token"], link):
        assert (await http.post("/auth/refresh", {"refresh_token": no_refresh_token})).status in (401, 422)
    for no_link in (tokens["access_token"][:200], tokens["refresh_token"]):
        answer = await http.post("/auth/reset-password", {"token": no_link, "password": NEXT})
        assert answer.status == 410, answer.text
    assert (await http.get("/me", as_=tokens["access_token"])).status == 200


@pytest.mark.abuse("C7", "C11")
@pytest.mark.parametrize("how", ["logout", "everywhere", "password", "reset", "suspended", "deleted", "version"])
async def test_the_old_access_token_is_worthless_at_once(http: Http, app_server: AppServer, how: str) -> None:
    hub = app_server.hub
    token = await registered(http)
    if how == "logout":
        await http.post("/auth/logout", as_=token)
    elif how == "everywhere":
        await http.post("/auth/logout-everywhere", as_=token)
    elif how == "password":
        await http.post("/me/password", {"current_password": PASSWORD, "password": NEXT}, as_=token)
    elif how == "reset":
        await http.post("/auth/forgot-password", {"email": ANA["email"]})
        code = await code_for(hub, ANA["email"])
        answer = await http.post("/auth/reset-password", {"email": ANA["email"], "code": code, "password": NEXT})
        assert answer.status == 204
    else:
        change = "token_version = token_version + 1" if how == "version" else f"status = '{how}'"
        async with hub.pool.acquire() as db:
            await db.execute(f"UPDATE users SET {change}")  # noqa: S608
    assert (await http.get("/me", as_=token)).status == 401


async def test_a_page_changes_its_password_and_stays_logged_in(http: Http) -> None:
    first = await page(http, "register", ANA)
    change = {"current_password": PASSWORD, "password": NEXT}
    assert (await page(http, "password", change)).status == 401
    changed = await page(http, "password", change, kept(first), as_=first.data["access_token"])
    assert changed.status == 200, changed.text
    assert set(changed.data) == set(first.data)
    assert (await http.get("/me", as_=first.data["access_token"])).status == 401
    assert (await page(http, "refresh", {}, kept(changed))).status == 200
    assert (await page(http, "refresh", {}, kept(first))).status == 401
    for body, status in (({"password": NEXT}, 422), (change, 403)):
        fresh = await page(http, "login", LOGIN | {"password": NEXT})
        assert (await page(http, "password", body, kept(fresh), as_=fresh.data["access_token"])).status == status


@pytest.mark.abuse("C14")
async def test_logging_in_never_goes_on_with_what_the_browser_was_given_before(http: Http) -> None:
    planted = await page(http, "register", ANA | {"email": "mallory@example.org"})
    await registered(http)
    entered = await page(http, "login", LOGIN, kept(planted))
    assert cookies(entered)["hub_session"].value != cookies(planted)["hub_session"].value
    assert entered.data["user"]["email"] == ANA["email"]
    # Whoever planted the cookie is not let in by it, neither as themselves nor as anybody else.
    assert (await page(http, "refresh", {}, kept(planted))).status == 401
    assert (await http.get("/me", as_=planted.data["access_token"])).status == 401
    assert (await page(http, "refresh", {}, "hub_session=chosen-by-somebody")).status == 401


@pytest.mark.abuse("C13")
async def test_over_tls_the_cookie_is_for_tls_and_for_one_path_only(http: Http, app_server: AppServer) -> None:
    hub = app_server.hub
    hub.settings = replace(hub.settings, public_url="https://book.example.org")
    for what, body in (("register", ANA), ("login", LOGIN)):
        answer = await page(http, what, body)
        assert answer.status in (200, 201), answer.text
        cookie = cookies(answer)["__Secure-hub_session"]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
            True,
            True,
            "Lax",
            "/session",
            "",
        )
        turn = cookies(answer)["hub_turn"]
        assert (turn["secure"], turn["samesite"]) == (True, "Lax")
        assert turn.value not in cookie.value
    fresh = await page(http, "refresh", {}, f"__Secure-hub_session={cookie.value}")
    assert fresh.status == 200
    # One without the prefix may have been planted by whoever sits in between.
    value = cookies(fresh)["__Secure-hub_session"].value
    assert (await page(http, "refresh", {}, f"hub_session={value}")).status == 401
    out = await page(http, "logout", {}, f"__Secure-hub_session={value}")
    assert (out.status, cookies(out)["__Secure-hub_session"]["secure"]) == (204, True)


@pytest.mark.abuse("D2")
async def test_signing_up_with_a_taken_address_says_no_more_than_that(http: Http) -> None:
    await registered(http)
    answer = await http.post("/auth/register", ANA | {"full_name": "Mallory", "password": NEXT})
    assert (answer.status, answer.data["code"]) == (409, "email_taken")
    assert "Ana" not in answer.text


async def test_a_facilitator_signs_up_with_a_studio_of_their_own(http: Http) -> None:
    studio = {"name": "Casa Flow", "timezone": "Europe/Lisbon", "city": "Lisbon"}
    details = {"role": "facilitator", "bio": "I teach.", "specialisation": "Yoga", "currency": "EUR"}
    token = await registered(http, **details, studio=studio)
    mine = (await http.get("/venues?mine=true", as_=token)).data["items"]
    assert [(one["name"], one["kind"], one["timezone"], one["currency"]) for one in mine] == [
        ("Casa Flow", "studio", "Europe/Lisbon", "EUR")
    ]
    for role in ("customer", "vendor"):
        answer = await http.post("/auth/register", ANA | {"email": "b@example.org", "role": role, "studio": studio})
        assert (answer.status, answer.data["errors"][0]["field"]) == (422, "studio")
    answer = await http.post(
        "/auth/register",
        ANA | {"email": "b@example.org", "role": "facilitator", "studio": studio | {"timezone": "Mars"}},
    )
    assert (answer.status, answer.data["errors"][0]["field"]) == (422, "studio.timezone")
