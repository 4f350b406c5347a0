"""The stock that the doors are tried on."""

import pytest

from tests.doors import ListeningHub, People
from tests.stock import Stock, stock


@pytest.fixture(name="stock")
async def _stock(hub: ListeningHub, people: People) -> Stock:
    """Give a test people and things of every kind."""
    return await stock(hub, people)
