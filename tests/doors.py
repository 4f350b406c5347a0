"""The hub and its doors for tests: a hub on its own database, the whole application, clients, and people."""

import contextlib
import io
import json
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import ClientSession, web
from yarl import URL

from handlers.patience import PatientRunner
from hub import logs
from hub.app import Running, build, open_hub
from hub.core import Actor, Hub
from hub.models.users import Register
from hub.services import accounts
from hub.settings import Settings
from storage.event_log import Told
from storage.pool import open_pool

# What every request would log is noise here; faults are not.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

PASSWORD = "correct horse battery staple"


@dataclass
class ListeningHub(Hub):
    """A hub that keeps what it tells, in place of publishing it."""

    told: list[Told] = field(default_factory=list)

    def names(self, room: str | None = None) -> list[str]:
        """Name what was told, to one room or to all."""
        return [told.name for told in self.told if room in (None, told.room)]


@dataclass
class Person:
    """Somebody with an account."""

    id: int
    email: str
    full_name: str
    token: str
    actor: Actor


@dataclass
class Answer:
    """What an endpoint answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def data(self) -> Any:
        """Read the body as JSON; None when there is none."""
        return orjson.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        """Read the body as text."""
        return self.body.decode()


class Http:
    """A plain client of the API: paths start below /api/v1, or at the root when they start with two slashes."""

    def __init__(self, session: ClientSession, base: str) -> None:
        self.session, self.base = session, base

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        as_: Person | str | None = None,
        query: Any = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """Send a request, `body` as JSON or `data` as it is; redirects are not followed."""
        sent = dict(headers or {})
        token = as_.token if isinstance(as_, Person) else as_
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = orjson.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = self.base + path[1:] if path.startswith("//") else f"{self.base}/api/v1{path}"
        async with self.session.request(
            method, URL(url, encoded=True), data=data, headers=sent, params=query, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **how: Any) -> Answer:
        """Read."""
        return await self.ask("GET", path, **how)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        """Make or do."""
        return await self.ask("POST", path, body, **how)

    async def patch(self, path: str, body: Any = None, **how: Any) -> Answer:
        """Change."""
        return await self.ask("PATCH", path, body, **how)

    async def delete(self, path: str, **how: Any) -> Answer:
        """Delete."""
        return await self.ask("DELETE", path, **how)


class People:
    """Registers people through the services."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def customer(self, full_name: str = "Ana Reis") -> Person:
        """Register a customer."""
        return await self.register(full_name, "customer")

    async def facilitator(self, full_name: str = "Bruno Dias") -> Person:
        """Register a facilitator."""
        return await self.register(full_name, "facilitator")

    async def vendor(self, full_name: str = "Vera Lopes") -> Person:
        """Register a vendor, who owns hotels and halls."""
        return await self.register(full_name, "vendor")

    async def admin(self, full_name: str = "Ada Admin", role: str = "admin") -> Person:
        """Register a customer and make an admin of them."""
        person = await self.register(full_name, "customer")
        async with self.hub.pool.acquire() as db:
            await db.execute(
                "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE code = $2", person.id, role
            )
        return replace(person, actor=await accounts.actor_of(self.hub, person.token))

    async def register(self, full_name: str, role: str) -> Person:
        """Register somebody with an e-mail address of their own."""
        email = f"{full_name.lower().replace(' ', '.')}.{secrets.token_hex(3)}@example.org"
        ask = Register(email=email, password=PASSWORD, full_name=full_name, role=role)
        tokens = await accounts.register(self.hub, Actor(), ask)
        actor = await accounts.actor_of(self.hub, tokens.access_token)
        return Person(tokens.user.id, email, full_name, tokens.access_token, actor)


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[ListeningHub]:
    """Give a test a hub on an empty database, which keeps what it tells in `told`."""
    assert settings.database_url
    pool = await open_pool(settings.database_url, settings.pool_size)
    told: list[Told] = []
    try:
        hub = ListeningHub(settings, pool, told.extend, told=told)
        async with hub.reading() as db:
            await hub.clock.synchronise(db)
        yield hub
    finally:
        await pool.close()


@pytest.fixture
def people(hub: ListeningHub) -> People:
    """Register people in the test's database."""
    return People(hub)


class Log(io.StringIO):
    """What is logged, in memory."""

    def lines(self) -> list[dict[str, Any]]:
        """Read each line as the JSON object that it must be."""
        # Half a character can be logged, and orjson would not read it.
        return [json.loads(line) for line in self.getvalue().split("\n") if line]


@pytest.fixture
def log() -> Iterator[Log]:
    """Capture everything that is logged, as production writes it."""
    kept, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    captured = Log()
    logs.configure(logging.INFO, captured, remember=False)
    yield captured
    structlog.configure(**kept)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@dataclass
class AppServer:
    """The whole application on a port of this machine."""

    url: str
    running: Running

    @property
    def hub(self) -> Hub:
        """Answer the application's hub."""
        return self.running.hub


@pytest.fixture
async def app_server(settings: Settings) -> AsyncIterator[AppServer]:
    """Run the whole application, live events included, on the test's database."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    reached = replace(settings, port=port, public_url=url, allowed_origins=(url,))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listening.close)
        running = await stack.enter_async_context(open_hub(reached))
        runner = PatientRunner(build(running), shutdown_timeout=1)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        yield AppServer(url, running)


@pytest.fixture
async def http(app_server: AppServer) -> AsyncIterator[Http]:
    """Ask the whole application over HTTP."""
    async with ClientSession() as session:
        yield Http(session, app_server.url)
