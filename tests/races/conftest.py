"""Two workers on one database, and what is asked of every race at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.settings import Settings
from tests.doors import ListeningHub
from tests.races import stage


@pytest.fixture(autouse=True)
def _patient(patient: None) -> None:
    """Let no busy machine decide a race."""


@pytest.fixture
async def hubs(settings: Settings) -> AsyncIterator[list[ListeningHub]]:
    """Open two hubs on the test's database."""
    async with stage.workers(settings) as hubs:
        yield hubs
