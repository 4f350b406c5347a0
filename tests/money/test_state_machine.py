"""Whatever happens to money, in whatever order: the books add up after each step, and are the provider's in the end."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from hub.settings import Settings
from storage.embedded import Urls
from tests.money.hands import Stage
from tests.money.machine import Money
from tests.servers import Copies

PLAIN = settings(
    deadline=None,
    database=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
# What must have been done at least once in a long run, and not only been refused.
EVERYTHING = {
    "hold",
    "hold with an offer",
    "buy",
    "pay",
    "partial pay",
    "wallet pay",
    "top-up",
    "cancel a payment",
    "cancel",
    "cancel a part",
    "payment completed",
    "payment failed",
    "told 3 x",
    "settle 3 x",
    "capture",
    "dispute",
    "call back what is gone",
    "expire",
    "reconcile",
    "send refunds",
    "release",
    "partial refund",
    "full refund",
    "approve",
    "reject",
    "adjust",
    "thaw",
}


@pytest.fixture
async def stage(settings: Settings, copies: Copies, servers: Urls) -> Stage:
    return Stage(asyncio.get_running_loop(), settings, copies, servers.database)


def played(stage: Stage, examples: int, steps: int) -> None:
    Money.stage = stage
    run_state_machine_as_test(Money, settings=settings(PLAIN, max_examples=examples, stateful_step_count=steps))


def test_the_books_add_up_after_a_few_steps_of_anything(stage: Stage) -> None:
    played(stage, examples=5, steps=20)
    assert sum(stage.done.values()) > 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_books_add_up_after_many_steps_of_anything(stage: Stage) -> None:
    played(stage, examples=300, steps=40)
    assert stage.done.keys() >= EVERYTHING, (EVERYTHING - stage.done.keys(), stage.refused)
