"""The suites of the stock clients, JavaScript and Python, against python-socketio as it comes: they see the same."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.live.stock import StockServer
from hub.settings import Settings
from tests.doors import AppServer
from tests.live import test_coalescing, test_examples, test_following, test_rights, test_watching

# Twice the seconds teach no more: what these wait for is not the path.
_LONG = frozenset(
    {
        "test_a_token_that_runs_out_is_renewed_and_nothing_is_missed",
        "test_a_revoked_token_makes_a_guest_of_it_and_logging_in_somebody_again",
        "test_a_token_that_runs_out_takes_the_private_rooms_and_a_fresh_one_brings_them_back",
        "test_who_brings_no_fresh_token_is_cut",
    }
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Take the stock path."""
    return replace(settings, socket_path="stock")


def again(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Run a test once more, on this module's settings."""

    @functools.wraps(test)
    async def on_the_stock_path(**fixtures: Any) -> None:
        await test(**fixtures)

    return on_the_stock_path


def suites() -> dict[str, Callable[..., Awaitable[None]]]:
    """List what the stock clients do to a whole application."""
    return {
        f"{name}_on_the_stock_path": pytest.mark.slow(again(test)) if name in _LONG else again(test)
        for suite in (test_watching, test_following, test_rights, test_examples, test_coalescing)
        for name, test in vars(suite).items()
        if name.startswith("test_") and "app_server" in test.__annotations__
    }


globals().update(suites())


async def test_it_is_the_stock_path_that_these_take(app_server: AppServer) -> None:
    assert isinstance(app_server.running.live.sockets, StockServer)
