"""Real receivers of webhooks on ports of this machine: they check every signature, and misbehave on demand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from aiohttp import web

from hub.core import Actor, Hub
from hub.models.webhooks import CreateWebhook, Webhook
from hub.services import webhooks
from hub.settings import Settings

Answering = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


async def taking(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
    """Take a message as most receivers do."""
    return web.json_response({"ok": True})


def refusing(status: int, **headers: str) -> Answering:
    """Answer with this status."""

    async def refuse(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return refuse


@dataclass
class Inbox:
    """One receiver: what came in, in its order, and how it answers."""

    url: str
    answer: Answering = taking
    got: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    busy: int = 0
    most_at_once: int = 0
    secrets: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sequences(self) -> list[int]:
        """List the sequence numbers as they were taken."""
        return [one["sequence"] for one in self.got]

    @property
    def names(self) -> list[str]:
        """List what the messages taken are about."""
        return [one["type"] for one in self.got]

    async def until(self, count: int) -> None:
        """Wait until so many different messages were taken, as long as there are any."""
        while len(set(self.ids)) < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 60)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Look at a message and answer."""
        self.asked += 1
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)
        try:
            body = await request.read()
            for secret in self.secrets:
                assert verifies(secret, request.headers, body), "a signature does not fit"
            told = orjson.loads(body)
            response = await self.answer(request, told)
            if 200 <= response.status < 300:
                self.got.append(told)
                self.ids.append(request.headers["webhook-id"])
                self.headers.append(dict(request.headers))
                self.arrived.set()
            return response
        finally:
            self.busy -= 1


def verifies(secret: str, headers: Any, body: bytes) -> bool:
    """Verify a message as Standard Webhooks says, by one secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    to_sign = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, to_sign, hashlib.sha256).digest()).decode()
    signatures = [one.partition(",") for one in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(wanted, given) for version, _, given in signatures)


@dataclass
class Street:
    """Receivers side by side on one port, each at a path of its own."""

    base: str
    inboxes: dict[str, Inbox] = field(default_factory=dict)

    def inbox(self, name: str = "hooks", answer: Answering = taking) -> Inbox:
        """Open a receiver."""
        self.inboxes[name] = Inbox(f"{self.base}/{name}", answer)
        return self.inboxes[name]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Lead a message to its receiver."""
        return await self.inboxes[request.match_info["name"]].take(request)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Street]:
    """Run receivers on a port of this machine."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    street = Street("")
    app.router.add_route("*", "/{name}", street.take)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    street.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield street
    finally:
        await runner.cleanup()


@pytest.fixture
async def receivers() -> AsyncIterator[Street]:
    """Lend a test its receivers."""
    async with receiving() as street:
        yield street


@pytest.fixture
def on_loopback(settings: Settings) -> Settings:
    """Let webhooks lead to this machine, which production refuses."""
    return replace(settings, webhook_private=True)


async def hook(hub: Hub, actor: Actor, venue_id: int, inbox: Inbox, *events: str, **more: Any) -> Webhook:
    """Have a venue's events sent to a receiver, which from then on checks their signatures."""
    wanted = {"events": list(events)} if events else {}
    made = await webhooks.create(hub, actor, CreateWebhook(venue_id=venue_id, url=inbox.url, **wanted, **more))
    inbox.secrets = [made.secret]
    return made.webhook


async def let_lanes_go_on(hub: Hub) -> None:
    """Let the pauses of receivers be over, but not those of messages, which are longer."""
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE webhook_lanes SET due_at = clock_timestamp()")


async def let_time_pass(hub: Hub) -> None:
    """Let every pause be over."""
    async with hub.pool.acquire() as db:
        await db.execute("UPDATE webhook_lanes SET due_at = clock_timestamp()")
        await db.execute("UPDATE webhook_messages SET due_at = clock_timestamp() WHERE due_at IS NOT NULL")
