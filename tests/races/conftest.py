"""Two workers on one database, and what is asked of every race at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.settings import Settings
from storage import pool
from tests.doors import ListeningHub
from tests.races import stage


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send nobody away for having waited long: who gets what is judged here, and the machine may be busy."""
    monkeypatch.setattr(pool, "ACQUIRE_SECONDS", 20.0)
    monkeypatch.setitem(pool.TIMEOUTS, "statement_timeout", "20s")
    monkeypatch.setitem(pool.TIMEOUTS, "lock_timeout", "20s")


@pytest.fixture
async def hubs(settings: Settings) -> AsyncIterator[list[ListeningHub]]:
    """Open two hubs on the test's database."""
    async with stage.workers(settings) as hubs:
        yield hubs
