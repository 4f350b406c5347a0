"""Asking over HTTP as a careful client does: what was not answered is unknown, and is asked again under its key."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

SECONDS_TO_ANSWER = 15.0
# Seconds for which an ask is made again, and between two times.
SECONDS_TO_INSIST = 60.0
_PAUSE = 0.2


class Unknown(Exception):
    """No answer came: it may have been carried out or not."""


class GivenUp(Exception):
    """What was asked again and again was never answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and within how many seconds."""

    status: int
    body: bytes
    headers: Any
    seconds: float

    @property
    def data(self) -> Any:
        """Read the body."""
        return orjson.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, who always comes from one address."""

    id: int
    token: str
    address: str
    email: str = ""


@dataclass
class Asker:
    """Asks whatever worker there is."""

    ports: Callable[[], Sequence[int]]
    chance: Random
    # One connection for each ask, so that a fault falls on one of them only.
    connects_anew: bool = False
    patience: float = SECONDS_TO_ANSWER
    statuses: Counter[int] = field(default_factory=Counter)
    unknown: int = 0
    seconds: list[float] = field(default_factory=list)
    _session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=self.connects_anew),
            timeout=ClientTimeout(total=self.patience),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(
        self, method: str, path: str, body: Any = None, by: Person | None = None, key: str | None = None
    ) -> Answer:
        """Ask once; raises `Unknown` when no answer comes."""
        assert self._session is not None
        headers = {} if by is None else {"Authorization": f"Bearer {by.token}", "X-Forwarded-For": by.address}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            data, headers["Content-Type"] = orjson.dumps(body), "application/json"
        url = f"http://127.0.0.1:{self.chance.choice(self.ports())}/api/v1{path}"
        began = time.monotonic()
        try:
            async with self._session.request(method, url, data=data, headers=headers) as response:
                answer = Answer(response.status, await response.read(), response.headers, time.monotonic() - began)
        except (ClientError, OSError, TimeoutError) as error:
            self.unknown += 1
            raise Unknown(f"{type(error).__name__} after {time.monotonic() - began:.1f} s") from error
        self.statuses[answer.status] += 1
        self.seconds.append(answer.seconds)
        return answer

    async def ready(self) -> Answer:
        """Ask whether a worker is ready to serve."""
        assert self._session is not None
        url, began = f"http://127.0.0.1:{self.chance.choice(self.ports())}/health/ready", time.monotonic()
        try:
            async with self._session.get(url) as response:
                return Answer(response.status, await response.read(), response.headers, time.monotonic() - began)
        except (ClientError, OSError, TimeoutError) as error:
            raise Unknown("/health/ready") from error

    async def poll(self, address: str) -> int:
        """Shake hands as a client that would poll; answers the status."""
        assert self._session is not None
        url = f"http://127.0.0.1:{self.chance.choice(self.ports())}/socket.io/?EIO=4&transport=polling"
        try:
            async with self._session.get(url, headers={"X-Forwarded-For": address}) as response:
                return response.status
        except (ClientError, OSError, TimeoutError):
            return 0

    async def press(self, page: str, button: str) -> int:
        """Press a button of a page that is not the API's; answers the status, zero when no answer came."""
        assert self._session is not None
        url = f"http://127.0.0.1:{self.chance.choice(self.ports())}{page}"
        try:
            async with self._session.post(url, data={"button": button}, allow_redirects=False) as response:
                return response.status
        except (ClientError, OSError, TimeoutError):
            return 0

    async def insist(
        self, method: str, path: str, body: Any = None, by: Person | None = None, key: str | None = None
    ) -> Answer:
        """Ask again and again, under the same key, until there is an answer that means something."""
        deadline = time.monotonic() + SECONDS_TO_INSIST
        while time.monotonic() < deadline:
            try:
                answer = await self.ask(method, path, body, by, key)
            except Unknown:
                await asyncio.sleep(self.chance.uniform(0, _PAUSE))
                continue
            if answer.status in (429, 502, 503) or (answer.status == 409 and answer.data["code"] == "in_flight"):
                await asyncio.sleep(self.chance.uniform(0, _PAUSE))
                continue
            return answer
        raise GivenUp(f"{method} {path} was not answered within {SECONDS_TO_INSIST:g} s")


def percentile(values: Sequence[float], share: float) -> float:
    """Answer below which value such a share of them lies; zero when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
