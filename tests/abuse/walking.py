"""Walks every way to ask an endpoint as every person, and compares with the right declared; each ask is undone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson
from aiohttp import FormData, web

from handlers import over_socket
from handlers.endpoint import EVERYBODY, Endpoint
from handlers.over_http import BASE, WITH_BODY
from handlers.table import table
from hub.core import Actor
from tests.abuse import (
    asks_of_offers,
    asks_of_paper,
    asks_of_payments,
    asks_of_people,
    asks_of_refunds,
    asks_of_venues,
    asks_of_wallets,
    asks_of_webhooks,
)
from tests.abuse.asks import ASKS, Ask
from tests.abuse.scene import Scene
from tests.doors import Answer, Http
from tests.photos import photo

# Both fill the list of asks.
assert asks_of_offers
assert asks_of_paper
assert asks_of_payments
assert asks_of_people
assert asks_of_refunds
assert asks_of_venues
assert asks_of_wallets
assert asks_of_webhooks

RIGHTS = Path(__file__).with_name("rights.txt")
MISSING = 10**9
_PARAMETER = re.compile(r"{(\w+)}")
_SAVEPOINTS = {
    "BEGIN": "SAVEPOINT act",
    "COMMIT": "RELEASE SAVEPOINT act",
    "ROLLBACK": "ROLLBACK TO SAVEPOINT act; RELEASE SAVEPOINT act",
}
# What a refusal says of the refused thing; the rest is of the request.
_SAID = ("type", "title", "status", "detail", "code")


def rights() -> dict[str, dict[str, str]]:
    """Read the declared rights: for each way to ask, who is answered how."""
    lines = [line.rstrip() for line in RIGHTS.read_text(encoding="utf-8").splitlines()]
    head, *rows = [line for line in lines if line and not line.startswith("#")]
    people = head.split()[1:]
    declared: dict[str, dict[str, str]] = {}
    for row in rows:
        cells = re.split(r"\s{2,}", row)
        if len(cells) != len(people) + 1 or not set(cells[1:]) <= {"yes", "401", "403", "404"}:
            raise ValueError(f"this is no row of rights: {row}")
        if cells[0] in declared:
            raise ValueError(f"{cells[0]} is declared twice")
        declared[cells[0]] = dict(zip(people, cells[1:], strict=True))
    return declared


def doors(app: web.Application) -> set[str]:
    """Name every door of the API that is no endpoint of the table, as `METHOD /path`."""
    table_of = {(one.method, _route(f"{BASE}{one.path}")) for one in table().values()}
    found = set()
    for route in app.router.routes():
        resource = route.resource
        path = resource.canonical.rstrip("/") if resource is not None else ""
        if not path.startswith((f"{BASE}/", "/files/")) or route.method == "HEAD":
            continue
        if (route.method, _route(path)) not in table_of:
            found.add(f"{route.method} {path.removeprefix(BASE)}")
    return found


def _route(path: str) -> str:
    return _PARAMETER.sub("{}", re.sub(r":[^{}]*(?:{[^{}]*}[^{}]*)*}", "}", path))


class Rehearsal:
    """One connection in place of the pool; whatever happens during a scene on it is undone when the scene ends."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        """Undo all that happens inside."""
        whole = self.connection.transaction()
        await whole.start()
        try:
            yield
        finally:
            await whole.rollback()

    def acquire(self, **_: Any) -> _Lent:
        """Lend the connection, again and again."""
        return _Lent(self.connection)

    async def release(self, lent: Any) -> None:
        """Take it back."""

    async def written(self) -> int:
        """Count the events told in this scene; a refusal tells none."""
        told: int = await self.connection.fetchval("SELECT count(*) FROM events")
        return told

    async def denied(self, user_id: int) -> int:
        """Count the refusals that the audit keeps of somebody."""
        kept: int = await self.connection.fetchval(
            "SELECT count(*) FROM audit WHERE operation = 'denied' AND actor_id = $1", user_id
        )
        return kept


class _Lent:
    """The connection as a pool lends it: awaited, or entered; transactions on it are savepoints."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __await__(self) -> Any:
        async def lend() -> _Lent:
            return self

        return lend().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def transaction(self, **_: Any) -> Any:
        """Begin a savepoint, whatever isolation was asked for: the scene has one already."""
        return self._connection.transaction()

    async def execute(self, statement: str, *values: Any) -> str:
        """Run a statement; what would begin and end a transaction begins and ends a savepoint."""
        for word, instead in _SAVEPOINTS.items():
            if statement.startswith(word):
                await self._connection.execute(statement.replace(word, instead, 1))
                return word
        done: str = await self._connection.execute(statement, *values)
        return done


@dataclass
class Walk:
    """A walk through the rights, and where they were found to be others than declared."""

    scene: Scene
    stage: Rehearsal
    http: Http
    wrong: list[str] = field(default_factory=list)
    asked: int = 0

    async def through(self, names: Iterable[str] | None = None) -> list[str]:
        """Ask everything, or these, as everybody; answers what is not as declared."""
        declared = rights()
        for name in declared if names is None else names:
            for who, right in declared[name].items():
                await self.ask(name, who, right)
        return self.wrong

    async def ask(self, name: str, who: str, right: str) -> None:
        """Ask in one way as one person, over both wires."""
        endpoint = table().get(name.partition("/")[0]) if " " not in name else None
        async with self._alone():
            ask = await ASKS[name](self.scene, who)
            before = await self.stage.written(), await self._denied(who)
            answer = await self._over_http(name, endpoint, who, ask)
            self._judge(f"{name} as {who}", answer.status, right, ask.done)
            if right != "yes" and answer.status == int(right):
                await self._leaves_no_trace(name, endpoint, who, before)
            if right == "404" and _PARAMETER.search(endpoint.path if endpoint else name):
                missing = await self._over_http(name, endpoint, who, _of_nothing(ask))
                if _said(missing) != _said(answer):
                    self.wrong.append(f"{name} as {who}: {_said(answer)} tells more than {_said(missing)}")
        if endpoint is not None and endpoint.over_socket:
            async with self._alone():
                ask = await ASKS[name](self.scene, who)
                status = await self._over_socket(endpoint, who, ask)
                self._judge(f"{name} as {who}, over the socket", status, right, ask.done)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        self.asked += 1
        async with self.stage.scene():
            yield
        # What was remembered of the undone must not be taken for true.
        self.scene.hub.catalogue.clear()
        self.scene.hub.searches.clear()

    def _judge(self, asked: str, status: int, right: str, done: tuple[int, ...]) -> None:
        if status not in (done if right == "yes" else (int(right),)):
            self.wrong.append(f"{asked}: {status}, not {right}")

    async def _leaves_no_trace(self, name: str, endpoint: Endpoint | None, who: str, before: tuple[int, int]) -> None:
        """Expect that a refusal told nobody anything, and that the audit keeps it of whoever is known."""
        if await self.stage.written() != before[0]:
            self.wrong.append(f"{name} as {who}: was refused and told all the same")
        is_kept = endpoint is not None and endpoint.may != EVERYBODY and self.scene.people[who] is not None
        if is_kept and await self._denied(who) == before[1]:
            self.wrong.append(f"{name} as {who}: the audit does not keep the refusal")

    async def _denied(self, who: str) -> int:
        person = self.scene.people[who]
        return 0 if person is None else await self.stage.denied(person.id)

    async def _over_http(self, name: str, endpoint: Endpoint | None, who: str, ask: Ask) -> Answer:
        method, template = (endpoint.method, endpoint.path) if endpoint else name.split(" ", 1)
        path = _PARAMETER.sub(lambda found: str(ask.path[found[1]]), template)
        person = self.scene.people[who]
        if ask.upload:
            return await self._upload(path, who)
        if template.startswith("/files/"):
            path = f"/{path}"
        if endpoint is not None and method in WITH_BODY:
            return await self.http.ask(method, path, ask.body, as_=person)
        return await self.http.ask(method, path, as_=person, query=ask.body)

    async def _upload(self, path: str, who: str) -> Answer:
        form, person = FormData(), self.scene.people[who]
        form.add_field("file", photo(size=(64, 64)), filename="one.jpg", content_type="image/jpeg")
        headers = {} if person is None else {"Authorization": f"Bearer {person.token}"}
        url = f"{self.http.base}{BASE}{path}"
        async with self.http.session.post(url, data=form, headers=headers) as response:
            return Answer(response.status, response.headers, await response.read())

    async def _over_socket(self, endpoint: Endpoint, who: str, ask: Ask) -> int:
        person = self.scene.people[who]
        named = {name: ask.path[name] for name in _PARAMETER.findall(endpoint.path)}
        body = orjson.loads(orjson.dumps(named | (ask.body or {})))
        actor = Actor() if person is None else person.actor
        answered = await over_socket.answer(self.scene.hub, actor, endpoint.name, body)
        return 200 if answered["ok"] else int(answered["error"]["status"])


def _of_nothing(ask: Ask) -> Ask:
    """Ask the same of what is not there."""
    path = {name: MISSING if isinstance(value, int) else _other(value) for name, value in ask.path.items()}
    return Ask(path, ask.body, upload=ask.upload)


def _other(value: Any) -> str:
    """Write an id that nothing has, in the form of one."""
    return re.sub(r"[0-9a-f](?=[0-9a-f]{3})", "f", str(value))


def _said(answer: Answer) -> list[Any]:
    return [answer.data.get(key) for key in _SAID] if answer.status >= 400 else [answer.status]
