"""Windows of a real browser on the whole application, and a small town to look at."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import jwt
import orjson
import pytest
from playwright.async_api import Browser, Error, Page, Request, WebSocket

from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.venues import Venue
from tests.browser.onlookers import Neighbours, Onlooker, leaks
from tests.builders import make_room, make_room_type, make_session, make_venue
from tests.doors import PASSWORD, AppServer, Log, Person
from tests.servers import PATIENCE

# What a page may be told by the network without anything being wrong: who is not logged in, and what was refused.
_EXPECTED = re.compile("the server responded with a status of (401|403|404|409|410|415|422|429)")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
# What a page that was left still took along of an answer need not be whole.
_LOGGED_IN = re.compile(r'{"access_token": ?"([^"]+)"')
_IMPERSONAL = re.compile("/static/|/lib/|/dev/mail|/favicon")


@dataclass
class Window:
    """One browser window, with what went over its wires and what went wrong in it."""

    page: Page
    base: str
    # Who was ever logged in here, or proved to be somebody by the token of a letter.
    people: set[int] = field(default_factory=set)
    traffic: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    # What a cache between us and everybody may keep.
    cacheable: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _reading: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self) -> None:
        """Write down every frame and every answer, and every error of a script."""
        self.page.on("websocket", self._socket)
        self.page.on("request", self._asked)
        self.page.on("requestfinished", self._answered)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._console)

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.traffic.append(str(frame)))
        socket.on("framesent", lambda frame: self._said(str(frame)))

    def _said(self, frame: str) -> None:
        self.said.append(frame)
        if token := _TOKEN.search(frame):
            self._bore(token[0])

    def _bore(self, token: str) -> None:
        """See who is logged in here by the token that says so."""
        self.people.add(int(jwt.decode(token, options={"verify_signature": False})["sub"]))

    def _asked(self, request: Request) -> None:
        if request.url.startswith(self.base):
            self.said.append(f"{unquote_plus(request.url)} {request.post_data or ''}")
            if token := request.headers.get("authorization", "").removeprefix("Bearer "):
                self._bore(token)

    def _answered(self, request: Request) -> None:
        # Elsewhere, as at a provider of identities, others are to blame; files on the disk know nobody; and the outbox
        # holds everybody's letters, for whoever tries the hub out: production has none.
        if request.url.startswith(self.base) and not _IMPERSONAL.match(request.url, len(self.base)):
            self._reading.append(asyncio.create_task(self._read(request)))

    async def _read(self, request: Request) -> None:
        # A page that was left may have taken its answers along.
        with contextlib.suppress(Error):
            response = await request.response()
            if response is None:
                return
            text = await response.text()
            self.traffic.append(text)
            if "no-store" not in response.headers.get("cache-control", ""):
                self.cacheable.append(text)
            self._meet(text)

    def _meet(self, text: str) -> None:
        """See who is logged in here, or is invited, by an answer that says so."""
        if found := _LOGGED_IN.match(text):
            self._bore(found[1])
        with contextlib.suppress(ValueError):
            said = orjson.loads(text)
            if isinstance(said, dict) and {"email", "venue_name", "invited_by"} <= said.keys():
                self.said.append(said["email"])

    async def close(self) -> None:
        """Close the window once everything that came to it is written down."""
        if self._reading:
            await asyncio.wait(self._reading, timeout=PATIENCE)
        await self.page.context.close()

    def onlookers(self) -> list[Onlooker]:
        """Say what came to whoever looked through this window, and what caches may have kept of it."""
        said = "\n".join(self.said)
        return [
            Onlooker(f"a window of {sorted(self.people) or 'a guest'}", self.people, "\n".join(self.traffic), said),
            Onlooker("a cache", set(), "\n".join(self.cacheable)),
        ]

    def forget(self) -> None:
        """Take back what came to this window, which a test has judged by itself."""
        for kept in (self.traffic, self.cacheable):
            kept.clear()

    def _console(self, message: Any) -> None:
        # Elsewhere, as at a provider of identities, others are to blame.
        is_ours = message.location["url"].startswith((self.base, "blob:")) or not message.location["url"]
        if message.type == "error" and is_ours and not _EXPECTED.search(message.text):
            self.faults.append(message.text)

    async def open(self, path: str) -> None:
        """Go to a page and wait until it is alive."""
        await self.page.goto(self.base + path)
        await self.alive()

    async def alive(self) -> None:
        """Wait until the page hears live events."""
        await self.page.locator('.connection[data-state="live"]').wait_for()

    async def until(self, condition: str) -> None:
        """Wait until an expression holds in the page, whose policy forbids it to wait by itself."""
        async with asyncio.timeout(PATIENCE):
            while not await self.page.evaluate(condition):  # noqa: ASYNC110 - it is the page that will know
                await asyncio.sleep(0.1)

    async def log_in(self, person: Person) -> None:
        """Let this window be somebody's, as it is after the log-in page, which has tests of its own."""
        credentials = {"email": person.email, "password": PASSWORD}
        own = {"Origin": self.base, "User-Agent": await self._user_agent()}
        answer = await self.page.context.request.post(f"{self.base}/session/login", data=credentials, headers=own)
        assert answer.ok, await answer.text()
        self.people.add(person.id)

    async def _user_agent(self) -> str:
        return str(await self.page.evaluate("navigator.userAgent"))

    async def fill_in_log_in(self, email: str, password: str = PASSWORD) -> None:
        """Log in on the log-in page, which is open."""
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    def cell(self, row: int, column: int) -> Any:
        """Name a cell of the hour board."""
        return self.page.locator(f'.hours td[data-row="{row}"][data-column="{column}"]')

    def night(self, column: int, row: int = 0) -> Any:
        """Name a cell of the night board."""
        return self.page.locator(f'.nights td[data-row="{row}"][data-column="{column}"]')


@dataclass
class Town:
    """A hall, a hotel and a session, and whose they are."""

    owner: Person
    people: Neighbours
    hall: Venue
    room: Room
    hotel: Venue
    double: RoomType
    session: Session


@pytest.fixture
def people(app_server: AppServer) -> Neighbours:
    """Register people of the whole application, of whom every word is known."""
    return Neighbours(app_server.hub)


@pytest.fixture
async def town(app_server: AppServer, people: Neighbours) -> Town:
    """Open a hall, a hotel and a session in the application's database; all in UTC and around the clock."""
    owner = await people.vendor()
    hub, actor = app_server.hub, owner.actor
    hall = await make_venue(hub, actor, slot_step_minutes=60, min_slot_minutes=60)
    kind = await make_room_type(hub, actor, hall, name="Hall", capacity=40, price_unit="hour")
    room = await make_room(hub, actor, kind, "Main")
    hotel = await make_venue(hub, actor, name="Hotel Aurora", kind="hotel", city="Lisbon")
    double = await make_room_type(hub, actor, hotel, name="Double", total_rooms=3, price=9_000)
    session = await make_session(hub, actor, hall)
    return Town(owner, people, hall, room, hotel, double, session)


Open = Callable[..., Any]


@pytest.fixture
async def window(log: Log, app_server: AppServer, browser: Browser, people: Neighbours) -> AsyncIterator[Open]:
    """Open windows, each with its own cookies; nothing may go wrong in any, nor come to it of others by no right."""
    windows: list[Window] = []

    async def opened(width: int = 1280, **how: Any) -> Window:
        context = await browser.new_context(
            **({"viewport": {"width": width, "height": 900}, "locale": "en-GB", "timezone_id": "UTC"} | how)
        )
        context.set_default_timeout(PATIENCE * 1000)
        found = Window(await context.new_page(), app_server.url)
        found.watch()
        windows.append(found)
        return found

    yield opened
    for one in windows:
        await one.close()
    assert [fault for one in windows for fault in one.faults] == []
    assert not windows or '"event":"request"' in log.getvalue()
    assert await leaks(people, [onlooker for one in windows for onlooker in one.onlookers()], log.getvalue()) == []
