"""Browsers that log in with Google, end to end with an OpenID provider that is not ours."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pyotp
import pytest
from aiohttp import ClientSession, CookieJar
from yarl import URL

from hub.core import Actor
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor
from hub.models.users import Register
from hub.services import accounts, second_factor
from hub.settings import Settings
from tests.doors import PASSWORD, AppServer, Http
from tests.openid import OpenId, query_of


@pytest.fixture
def settings(settings: Settings, openid: OpenId) -> Settings:
    """Let people log in with "Google", which is here, and not with Facebook."""
    return replace(settings, google_client_id="the-hub", google_client_secret="its-secret", google_issuer=openid.issuer)


class Browser:
    """Follows redirects by hand, and keeps cookies as a browser does."""

    def __init__(self, session: ClientSession, server: AppServer, openid: OpenId) -> None:
        self.session, self.url, self.openid = session, server.url, openid

    async def get(self, path: str) -> Any:
        """Follow a link; answers status and where it leads."""
        async with self.session.get(URL(self.url + path, encoded=True), allow_redirects=False) as answer:
            await answer.read()
            return answer

    async def post(self, path: str, body: Any, token: str | None = None) -> Any:
        """Send what a page of the site sends."""
        headers = {"Origin": self.url} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self.session.post(self.url + path, json=body, headers=headers) as answer:
            await answer.read()
            return answer

    async def to_google(self, path: str = "/auth/google/start", subject: str = "g-1") -> str:
        """Start there and allow what is asked; answers the path by which the browser comes back."""
        start = await self.get(path)
        assert start.status == 303, await start.text()
        return self.back(await self.openid.consents(start.headers["Location"], subject))

    def back(self, location: str) -> str:
        """Answer the path of an address of this site."""
        assert location.startswith(f"{self.url}/auth/google/callback"), location
        return location.removeprefix(self.url)

    async def me(self) -> Any:
        """Ask by the session's cookie who is logged in."""
        answer = await self.post("/session/refresh", {})
        return (await answer.json())["user"] if answer.status == 200 else None


@pytest.fixture
async def browser_at(app_server: AppServer, openid: OpenId) -> AsyncIterator[Browser]:
    """Open a browser that keeps cookies also of an address without a name."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Browser(session, app_server, openid)


def subject() -> str:
    return f"g-{secrets.token_hex(4)}"


async def test_somebody_new_logs_in_with_google_and_is_led_on(browser_at: Browser, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email="New.Person@Example.org", email_verified=True, name="New Person", given_name="New")
    arrived = await browser_at.get(await browser_at.to_google("/auth/google/start?next=/bookings", sub))
    assert (arrived.status, arrived.headers["Location"]) == (303, "/bookings")
    assert arrived.headers["Cache-Control"] == "no-store"
    user = await browser_at.me()
    assert (user["email"], user["full_name"], user["first_name"]) == ("new.person@example.org", "New Person", "New")
    assert user["email_verified"] is True
    assert user["roles"] == ["customer"]


async def test_whoever_comes_again_is_the_same_even_with_another_address(browser_at: Browser, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=True, name="Ana")
    await browser_at.get(await browser_at.to_google(subject=sub))
    first = await browser_at.me()
    await openid.knows(sub, email=f"other-{sub}@example.org", email_verified=True, name="Ana")
    await browser_at.get(await browser_at.to_google(subject=sub))
    again = await browser_at.me()
    assert (again["id"], again["email"]) == (first["id"], f"{sub}@example.org")


async def test_google_is_asked_with_pkce_a_nonce_and_the_configured_address(browser_at: Browser) -> None:
    start = await browser_at.get("/auth/google/start")
    asked = query_of(start.headers["Location"])
    assert asked["code_challenge_method"] == "S256"
    assert re.fullmatch(r"[\w-]{43}", asked["code_challenge"])
    assert len(asked["nonce"]) >= 43
    assert len(asked["state"]) >= 43
    assert asked["redirect_uri"] == f"{browser_at.url}/auth/google/callback"
    assert (asked["response_type"], asked["scope"]) == ("code", "openid email profile")
    cookie = start.headers["Set-Cookie"]
    assert cookie.startswith("hub_journey=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/auth" in cookie


async def test_the_other_provider_is_not_set_up(browser_at: Browser, http: Http) -> None:
    refused = await browser_at.get("/auth/facebook/start")
    assert refused.headers["Location"] == "/login?provider=facebook&refused=not_found"
    assert (await browser_at.get("/auth/twitter/start")).status == 404
    listed = (await http.get("/auth/social")).data
    assert listed == {"items": [{"provider": "google", "title": "Google", "start_url": "/auth/google/start"}]}


@pytest.mark.abuse("F15")
@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/%09/evil"]
)
async def test_nobody_is_led_to_another_site(elsewhere: str, browser_at: Browser, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=True)
    arrived = await browser_at.get(await browser_at.to_google(f"/auth/google/start?next={elsewhere}", sub))
    assert arrived.headers["Location"] == "/"


@pytest.mark.abuse("C17", "D13")
async def test_a_browser_that_did_not_begin_cannot_finish(
    browser_at: Browser, app_server: AppServer, openid: OpenId
) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=True)
    way_back = await browser_at.to_google(subject=sub)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        other = Browser(session, app_server, openid)
        refused = await other.get(way_back)
        assert refused.headers["Location"] == "/login?provider=google&refused=unauthenticated"
        assert await other.me() is None
        await other.get("/auth/google/start")
        refused = await other.get(way_back)
        assert refused.headers["Location"] == "/login?provider=google&refused=unauthenticated"
    assert (await browser_at.get(way_back)).headers["Location"] == "/"


@pytest.mark.abuse("D16")
async def test_a_code_that_comes_twice_ends_the_login_it_began(browser_at: Browser, http: Http, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=True)
    start = await browser_at.get("/auth/google/start")
    journey = browser_at.session.cookie_jar.filter_cookies(URL(browser_at.url + "/auth/x"))["hub_journey"].value
    way_back = browser_at.back(await openid.consents(start.headers["Location"], sub))
    assert (await browser_at.get(way_back)).headers["Location"] == "/"
    token = (await (await browser_at.post("/session/refresh", {})).json())["access_token"]
    assert (await http.get("/me", as_=token)).status == 200
    again = await http.get(f"/{way_back}", headers={"Cookie": f"hub_journey={journey}"})
    assert again.headers["Location"] == "/login?provider=google&refused=code_refused"
    assert (await http.get("/me", as_=token)).status == 401
    assert await browser_at.me() is None


async def test_whoever_changes_their_mind_is_told_so(browser_at: Browser, openid: OpenId) -> None:
    start = await browser_at.get("/auth/google/start?next=/bookings")
    state = query_of(start.headers["Location"])["state"]
    refused = await browser_at.get(f"/auth/google/callback?error=access_denied&state={state}")
    assert refused.headers["Location"].startswith("/login?provider=google&refused=not_allowed_there")
    assert await browser_at.me() is None


@pytest.mark.abuse("D14")
async def test_an_address_that_is_known_here_links_nothing(
    browser_at: Browser, app_server: AppServer, openid: OpenId
) -> None:
    email, sub = f"{subject()}@example.org", subject()
    await accounts.register(app_server.hub, Actor(), Register(email=email, password=PASSWORD, full_name="Ana Reis"))
    for is_verified in (True, False):
        await openid.knows(sub, email=email.upper(), email_verified=is_verified)
        refused = await browser_at.get(await browser_at.to_google(subject=sub))
        assert refused.headers["Location"] == "/login?provider=google&refused=log_in_first"
        assert await browser_at.me() is None


async def test_an_unverified_address_is_not_taken_for_verified(browser_at: Browser, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=False)
    await browser_at.get(await browser_at.to_google(subject=sub))
    assert (await browser_at.me())["email_verified"] is False


async def test_without_an_address_there_is_no_account(browser_at: Browser, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, name="No Address")
    refused = await browser_at.get(await browser_at.to_google(subject=sub))
    assert refused.headers["Location"] == "/login?provider=google&refused=email_needed"


async def test_google_is_linked_from_the_account_page_by_the_password(
    browser_at: Browser, app_server: AppServer, http: Http, openid: OpenId
) -> None:
    email, sub = f"{subject()}@example.org", subject()
    ask = Register(email=email, password=PASSWORD, full_name="Ana Reis")
    given = await accounts.register(app_server.hub, Actor(), ask)
    await app_server.hub.pool.execute("UPDATE users SET email_verified_at = now() WHERE id = $1", given.user.id)
    await openid.knows(sub, email="somewhere@else.example", email_verified=True)
    token = given.access_token

    assert (await browser_at.post("/auth/google/link", {"password": PASSWORD})).status == 401
    assert (await browser_at.post("/auth/google/link", {}, token)).status == 422
    assert (await browser_at.post("/auth/google/link", {"password": "not the password"}, token)).status == 403
    led = await browser_at.post("/auth/google/link", {"password": PASSWORD}, token)
    assert led.status == 200
    way_back = browser_at.back(await openid.consents((await led.json())["url"], sub))
    arrived = await browser_at.get(way_back)
    assert arrived.headers["Location"] == "/account/security?linked=google"
    linked = (await http.get("/me/identities", as_=token)).data
    assert [(one["provider"], one["email"]) for one in linked["items"]] == [("google", "somewhere@else.example")]
    assert linked["has_password"] is True
    mails = await app_server.hub.pool.fetch("SELECT data FROM jobs WHERE data ->> 'template' = 'login_linked'")
    assert [mail["data"]["to"] for mail in mails] == [email]

    assert (await browser_at.get(await browser_at.to_google(subject=sub))).headers["Location"] == "/"
    assert (await browser_at.me())["id"] == given.user.id

    assert (await http.delete("/me/identities/google", as_=token)).status == 204
    assert (await http.delete("/me/identities/google", as_=token)).status == 404
    refused = await browser_at.get(await browser_at.to_google(subject=sub))
    assert refused.status == 303
    assert (await browser_at.me())["id"] != given.user.id


async def test_the_last_way_in_stays(browser_at: Browser, http: Http, openid: OpenId) -> None:
    sub = subject()
    await openid.knows(sub, email=f"{sub}@example.org", email_verified=True)
    await browser_at.get(await browser_at.to_google(subject=sub))
    token = (await (await browser_at.post("/session/refresh", {})).json())["access_token"]
    refused = await http.delete("/me/identities/google", as_=token)
    assert (refused.status, refused.data["code"]) == (409, "last_way_in")


@pytest.mark.abuse("D10")
async def test_the_second_factor_is_asked_in_the_browser_too(
    browser_at: Browser, app_server: AppServer, openid: OpenId
) -> None:
    hub, email, sub = app_server.hub, f"{subject()}@example.org", subject()
    given = await accounts.register(hub, Actor(), Register(email=email, password=PASSWORD, full_name="Ana Reis"))
    await hub.pool.execute("UPDATE users SET email_verified_at = now() WHERE id = $1", given.user.id)
    await openid.knows(sub, email=email, email_verified=True)
    led = await browser_at.post("/auth/google/link", {"password": PASSWORD}, given.access_token)
    await browser_at.get(browser_at.back(await openid.consents((await led.json())["url"], sub)))
    actor = await accounts.actor_of(hub, given.access_token)
    totp = pyotp.TOTP((await second_factor.set_up(hub, actor, AskSecondFactor(password=PASSWORD))).secret)
    now = int(hub.clock.now().timestamp())
    await second_factor.confirm(hub, actor, ConfirmSecondFactor(code=totp.at(now - 30)))

    waits = await browser_at.get(await browser_at.to_google("/auth/google/start?next=/bookings", sub))
    expected = "/login?provider=google&refused=second_factor_needed&next=%2Fbookings"
    assert waits.headers["Location"] == expected
    assert await browser_at.me() is None
    assert (await browser_at.post("/auth/google/second-factor", {"totp_code": "000000"})).status == 401
    assert (await browser_at.post("/auth/google/second-factor", {})).status == 422
    assert (await browser_at.post("/auth/facebook/second-factor", {"totp_code": totp.at(now)})).status == 401
    entered = await browser_at.post("/auth/google/second-factor", {"totp_code": totp.at(now)})
    assert entered.status == 200
    assert (await browser_at.me())["id"] == given.user.id
    assert (await browser_at.post("/auth/google/second-factor", {"totp_code": totp.at(now + 30)})).status in (401, 422)
