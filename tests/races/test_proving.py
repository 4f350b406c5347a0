"""Codes, links and passwords that many bring at once, and what happens when each guard is taken away."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyotp
import pytest

from hub.errors import WrongCredentials
from hub.models.credentials import ForgotPassword, ResetPassword
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor
from hub.models.users import LogIn, Tokens
from hub.models.verifications import CheckVerification
from hub.services import accounts, recovery, second_factor, totp, verifications
from hub.services.codes import CodeGone
from hub.services.totp import STEP_SECONDS
from storage import codes as code_store
from storage import second_factor as factor_store
from storage import users
from storage.codes import Tried
from storage.query import Db, one, run, value
from tests.doors import PASSWORD, ListeningHub
from tests.identities import PHONE, actor_of, good, log_in, registered
from tests.mailbox import code_for, link_for
from tests.races.guards import rewrite

ANA = "ana@example.org"
NEXT = "another horse battery staple"
ROUNDS = 20

Patch = pytest.MonkeyPatch


async def outcomes(asks: list[Any]) -> list[Any]:
    """Let all of them ask at once."""
    return await asyncio.gather(*asks, return_exceptions=True)


async def until(happens: Callable[[], Any]) -> bool:
    """Race again until it has happened; a guard that is gone need not be missed every time."""
    for _ in range(ROUNDS):
        if await happens():
            return True
    return False


async def test_control_without_waiting_for_each_other_more_than_five_passwords_are_judged(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, rate_limits=True)
    await registered(hub)
    await rewrite(
        hub.pool,
        "attempt",
        ("PERFORM pg_advisory_xact_lock(", "PERFORM ("),
        ("IF wait = 0 THEN", "PERFORM pg_sleep(0.01); IF wait = 0 THEN"),
    )

    async def happens() -> bool:
        async with hub.pool.acquire() as db:
            await db.execute("DELETE FROM attempts")
        answers = await outcomes([accounts.log_in(hub, PHONE, log_in(password="wrong one")) for _ in range(50)])
        return sum(isinstance(answer, WrongCredentials) for answer in answers) > 5

    assert await until(happens)


async def test_control_a_code_that_is_looked_at_before_it_is_counted_is_tried_more_than_five_times(
    hub: ListeningHub, monkeypatch: Patch
) -> None:
    judged: list[bool] = []

    async def careless(db: Db, user_id: int, purpose: str, code_hash: bytes) -> Tried | None:
        tries = await value(db, "SELECT tries FROM codes WHERE user_id = $1 AND purpose = $2", user_id, purpose)
        if tries >= 5:
            return None
        judged.append(True)
        await asyncio.sleep(0.005)
        return await one(
            db,
            Tried,
            """
            UPDATE codes SET tries = least(tries + 1, 5) WHERE user_id = $1 AND purpose = $2
            RETURNING target, code_hash = $3 AS is_right, 0 AS tries_left
            """,
            user_id,
            purpose,
            code_hash,
        )

    async def unlocked(work: Any, user_id: int) -> Any:
        return await users.find(work.db, user_id)

    actor = await actor_of(hub, await registered(hub))
    code = await code_for(hub, ANA)
    wrong = CheckVerification.model_validate({"channel": "email", "code": f"{(int(code) + 1) % 1_000_000:06}"})
    monkeypatch.setattr(code_store, "attempt", careless)
    monkeypatch.setattr(verifications, "locked", unlocked)
    answers = await outcomes([verifications.check(hub, actor, wrong) for _ in range(50)])
    assert all(isinstance(answer, CodeGone) for answer in answers)
    assert len(judged) > 5


async def test_control_a_link_that_is_not_spent_lets_many_in(hub: ListeningHub, monkeypatch: Patch) -> None:
    async def careless(db: Db, user_id: int, purpose: str, proof: bytes) -> str | None:
        target: str | None = await value(
            db,
            "SELECT target FROM codes WHERE user_id = $1 AND link_hash = $2 AND purpose = $3",
            user_id,
            proof,
            purpose,
        )
        return target

    await registered(hub)
    monkeypatch.setattr(code_store, "spend_proof", careless)
    # Whether two of them meet is chance, so they race until they do.
    for _ in range(20):
        await recovery.forgot(hub, PHONE, ForgotPassword.model_validate({"email": ANA}))
        token = (await link_for(hub, ANA)).partition("#token=")[2]
        asks = [ResetPassword.model_validate({"password": f"{NEXT} {n}", "token": token}) for n in range(10)]
        answers = await outcomes([recovery.reset(hub, PHONE, ask) for ask in asks])
        if sum(answer is None for answer in answers) > 1:
            return
    pytest.fail("no two got in with one link")


async def test_control_a_step_that_is_not_remembered_is_used_again(hub: ListeningHub, monkeypatch: Patch) -> None:
    async def careless(db: Db, user_id: int, step: int) -> bool:
        return await run(db, "UPDATE second_factors SET last_step = $2 WHERE user_id = $1", user_id, step) == 1

    actor = await actor_of(hub, await registered(hub))
    enrolment = await second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD}))
    shown = pyotp.TOTP(enrolment.secret)
    step = int(hub.clock.now().timestamp()) // STEP_SECONDS
    ask = ConfirmSecondFactor.model_validate({"code": shown.generate_otp(step)})
    await second_factor.confirm(hub, actor, ask)
    monkeypatch.setattr(factor_store, "use_step", careless)
    entering = LogIn.model_validate({"email": ANA, "password": PASSWORD, "totp_code": shown.generate_otp(step + 1)})
    answers = await outcomes([accounts.log_in(hub, PHONE, entering) for _ in range(10)])
    assert sum(isinstance(answer, Tokens) for answer in answers) == 10


async def change_between(hub: ListeningHub, monkeypatch: Patch, user_id: int) -> None:
    """Let the password change after it was judged and before the login begins."""
    judged = totp.ask_for

    async def meanwhile(*asked: Any) -> None:
        async with hub.pool.acquire() as db:
            await users.set_password(db, user_id, "another hash")
        await judged(*asked)

    monkeypatch.setattr(totp, "ask_for", meanwhile)


async def test_a_password_that_changes_while_it_is_judged_lets_nobody_in(hub: ListeningHub, monkeypatch: Patch) -> None:
    given = await registered(hub)
    await change_between(hub, monkeypatch, given.user.id)
    with pytest.raises(WrongCredentials):
        await accounts.log_in(hub, PHONE, log_in())


async def test_control_without_looking_again_the_old_password_lets_somebody_in(
    hub: ListeningHub, monkeypatch: Patch
) -> None:
    async def careless(*_: Any) -> bool:
        return True

    given = await registered(hub)
    await change_between(hub, monkeypatch, given.user.id)
    monkeypatch.setattr(users, "lock_unchanged", careless)
    assert await good(hub, await accounts.log_in(hub, PHONE, log_in())) != set()
