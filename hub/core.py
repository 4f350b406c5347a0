"""Hub and Actor: what every service is handed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hub import work as unit_of_work
from hub.batch import MicroBatcher
from hub.gateways.files import FileStore, file_store
from hub.gateways.identity import Providers
from hub.gateways.payments import Gateways
from hub.gateways.providers import open_gateways
from hub.settings import Settings
from hub.work import Author, Expects, Publish, Repeat, Revoke, Work
from storage import placing, standings
from storage.pool import Pool
from storage.query import Db, value
from storage.standings import Standing
from storage.transaction import one_moment, reading, refusing

# Things of the catalogue that a worker remembers; a venue's version tells when one is out of date.
_REMEMBERED = 20_000
# Each is a few kilobytes.
_AGREEMENTS = 2_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: nobody (a guest), a person with roles and permissions, or the hub itself."""

    user_id: int | None = None
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    rank: int = 0
    login_id: str | None = None
    token_expires_at: datetime | None = None
    address: str = ""
    device: str = ""
    repeat: Repeat | None = None
    expects: Expects | None = None
    is_hub: bool = False
    impersonator_id: int | None = None
    # The endpoint or job by which is asked, and the request's id in the logs.
    asked: str = ""
    request_id: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether a role of this person carries `resource:action`, or manages the resource."""
        resource, _, _ = permission.partition(":")
        return self.is_hub or permission in self.permissions or f"{resource}:manage" in self.permissions


GUEST = Actor()
THE_HUB = Actor(is_hub=True, rank=1000)


class DatabaseClock:
    """The database's time, carried forward by the monotonic clock: a worker's wall clock may jump as it likes."""

    def __init__(self) -> None:
        self._anchor = datetime.now(UTC)
        self._at = time.monotonic()

    async def synchronise(self, db: Db) -> None:
        """Read the database's clock again."""
        before = time.monotonic()
        now: datetime = await value(db, "SELECT clock_timestamp()")
        self._anchor, self._at = now, (before + time.monotonic()) / 2

    def now(self) -> datetime:
        """Answer the database's time, in UTC."""
        return self._anchor + timedelta(seconds=time.monotonic() - self._at)


@dataclass
class Hub:
    """The running hub: settings, database, clock, and where facts go after commit."""

    settings: Settings
    pool: Pool
    publish: Publish
    revoke: Revoke = lambda user_ids: None
    clock: DatabaseClock = field(default_factory=DatabaseClock)
    catalogue: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    # What was agreed for baskets like which; a crowd that wants the same is quoted once.
    agreements: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    # What is being looked for at this moment, so that a crowd that asks the same is answered by one search.
    searches: dict[Any, asyncio.Task[Any]] = field(default_factory=dict)
    placing: MicroBatcher[placing.AskBooking, placing.Outcome] = field(init=False)
    # Who asks is looked up anew for every ask, and for all that came in at the same moment at once.
    standings: MicroBatcher[tuple[int, UUID], Standing | None] = field(init=False)
    providers: Providers = field(init=False)
    files: FileStore = field(init=False)
    gateways_of_money: Gateways = field(init=False)

    def __post_init__(self) -> None:
        self.providers, self.files = Providers(self.settings), file_store(self.settings)
        self.gateways_of_money = open_gateways(self.settings, self.pool)
        self.placing = MicroBatcher(self._place, placing.wanted_first, lanes=2)
        self.standings = MicroBatcher(self._stand)

    def work(self, actor: Actor) -> AbstractAsyncContextManager[Work]:
        """Open one unit of work for this actor."""
        author = Author(actor.user_id, actor.impersonator_id, actor.address, actor.asked, actor.request_id)
        return unit_of_work.work(self.pool, self.publish, self.revoke, actor.repeat, author, actor.expects)

    def reading(self) -> AbstractAsyncContextManager[Db]:
        """Lend a connection for reads that need no common moment."""
        return reading(self.pool)

    def one_moment(self) -> AbstractAsyncContextManager[Db]:
        """Run reads that must all see the same moment."""
        return one_moment(self.pool)

    def remember(self, key: Any, thing: Any) -> None:
        """Keep a thing of the catalogue at hand; the least used is dropped first."""
        self.catalogue[key] = thing
        self.catalogue.move_to_end(key)
        if len(self.catalogue) > _REMEMBERED:
            self.catalogue.popitem(last=False)

    def remember_agreement(self, key: Any, agreement: Any) -> None:
        """Keep at hand what was agreed for baskets like this one; the first known is dropped first."""
        self.agreements[key] = agreement
        if len(self.agreements) > _AGREEMENTS:
            self.agreements.popitem(last=False)

    async def _stand(self, whom: Sequence[tuple[int, UUID]]) -> Sequence[Standing | None]:
        async with reading(self.pool) as db:
            return await standings.find_all(db, whom)

    async def _place(self, asks: Any) -> Any:
        async with refusing(), reading(self.pool) as db:
            outcomes, told = await placing.place(db, asks)
        self.publish(told)
        return outcomes
