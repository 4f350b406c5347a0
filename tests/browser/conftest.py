"""Windows of a real browser on the whole application, and a small town to look at."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, Page, WebSocket

from hub.models.room_types import RoomType
from hub.models.rooms import Room
from hub.models.sessions import Session
from hub.models.venues import Venue
from tests.builders import make_room, make_room_type, make_session, make_venue
from tests.doors import PASSWORD, AppServer, People, Person

# What a page may be told by the network without anything being wrong: who is not logged in, and what was refused.
_EXPECTED = re.compile("the server responded with a status of (401|403|404|409|410|415|422|429)")


@dataclass
class Window:
    """One browser window, with what went over its wires and what went wrong in it."""

    page: Page
    base: str
    traffic: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Write down every frame and every answer, and every error of a script."""
        self.page.on("websocket", self._socket)
        self.page.on("response", self._answer)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._console)

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.traffic.append(str(frame)))

    async def _answer(self, response: Any) -> None:
        # The outbox holds everybody's letters, for whoever tries the hub out; production has none.
        if "/dev/mail" in response.url:
            return
        with contextlib.suppress(Exception):
            self.traffic.append(await response.text())

    @property
    def is_a_guests(self) -> bool:
        """Tell whether nobody ever logged in here."""
        return not any('"access_token"' in one for one in self.traffic)

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

    async def log_in(self, person: Person) -> None:
        """Log in as somebody on the log-in page."""
        await self.page.goto(f"{self.base}/login")
        await self.page.fill("[name=email]", person.email)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("#enter [type=submit]")
        await self.page.locator(".person .name").wait_for(state="attached")
        await self.page.wait_for_url(f"{self.base}/")

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
    people: People
    hall: Venue
    room: Room
    hotel: Venue
    double: RoomType
    session: Session


@pytest.fixture
async def town(app_server: AppServer) -> Town:
    """Open a hall, a hotel and a session in the application's database; all in UTC and around the clock."""
    people = People(app_server.hub)
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
async def window(app_server: AppServer, browser: Browser) -> AsyncIterator[Open]:
    """Open windows, each with its own cookies; in none anything may go wrong, and in a guest's no person be named."""
    windows: list[Window] = []

    async def opened(width: int = 1280, **how: Any) -> Window:
        context = await browser.new_context(
            **({"viewport": {"width": width, "height": 900}, "locale": "en-GB", "timezone_id": "UTC"} | how)
        )
        page = await context.new_page()
        page.set_default_timeout(5_000)
        found = Window(page, app_server.url)
        found.watch()
        windows.append(found)
        return found

    yield opened
    for one in windows:
        await one.page.context.close()
    assert [fault for one in windows for fault in one.faults] == []
    seen = "\n".join(text for one in windows if one.is_a_guests for text in one.traffic)
    assert [word for word in await private_words(app_server) if word in seen] == []


async def private_words(app_server: AppServer) -> list[str]:
    """List what only some may know: the addresses and numbers of everybody, and the names of who is only a guest."""
    async with app_server.hub.pool.acquire() as db:
        rows = await db.fetch(
            """
            SELECT u.email::text, u.phone, CASE WHEN r.code = 'customer' THEN u.full_name END AS name
            FROM users AS u JOIN user_roles AS ur ON ur.user_id = u.id JOIN roles AS r ON r.id = ur.role_id
            """
        )
    return [word for row in rows for word in row.values() if word]
