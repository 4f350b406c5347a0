import asyncio
from dataclasses import replace
from typing import Any

import pyotp
import pytest

from hub.errors import Forbidden, WrongCredentials
from hub.models.credentials import ChangeEmail, ChangePassword, ForgotPassword, ResetPassword
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor, EndSecondFactor
from hub.models.users import LogIn, Tokens
from hub.services import accounts, credentials, recovery, second_factor
from hub.services.attempts import TooManyTries
from hub.services.codes import CodeGone
from hub.services.reauthentication import CodeNeeded, WrongCode, WrongPassword
from hub.services.totp import STEP_SECONDS, SecondFactorNeeded, SecondFactorRequired, WrongSecondFactor
from storage import users
from tests.doors import PASSWORD, ListeningHub
from tests.identities import PHONE, actor_of, count, good, log_in, registered, run
from tests.mailbox import code_for, letters_to, link_for

ANA = "ana@example.org"
NEXT = "another horse battery staple"


class Phone:
    """An authenticator, and the hub's time by which it is told to show a code; each code it shows is a new one."""

    def __init__(self, hub: ListeningHub, secret: str) -> None:
        self.hub, self.totp = hub, pyotp.TOTP(secret)

    def now(self, steps: int = 0) -> str:
        """Show the present code, or one of so many steps away."""
        return self.totp.generate_otp(int(self.hub.clock.now().timestamp()) // STEP_SECONDS + steps)

    def next(self) -> str:
        """Let half a minute pass, and show the code."""
        self.hub.clock._at -= STEP_SECONDS
        return self.now()


async def enrolled(hub: ListeningHub, given: Tokens) -> tuple[Phone, list[str]]:
    """Set up an authenticator, and answer it with the recovery codes."""
    actor = await actor_of(hub, given)
    enrolment = await second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD}))
    phone = Phone(hub, enrolment.secret)
    codes = await second_factor.confirm(hub, actor, ConfirmSecondFactor.model_validate({"code": phone.now()}))
    return phone, codes.recovery_codes


def enter(code: str | None = None, password: str = PASSWORD) -> LogIn:
    """Ask for a login with a second factor."""
    return LogIn.model_validate({"email": ANA, "password": password, "totp_code": code})


def both(code: str, password: str = PASSWORD) -> EndSecondFactor:
    """Send both factors."""
    return EndSecondFactor.model_validate({"password": password, "code": code})


async def test_an_authenticator_counts_once_its_first_code_has_come(hub: ListeningHub) -> None:
    given = await registered(hub)
    actor = await actor_of(hub, given)
    enrolment = await second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD}))
    assert enrolment.uri.startswith("otpauth://totp/Booking%20hub:ana%40example.org?secret=")
    assert enrolment.qr_svg.startswith("<svg ")
    assert isinstance(await accounts.log_in(hub, PHONE, log_in()), Tokens)
    phone = Phone(hub, enrolment.secret)
    with pytest.raises(CodeGone):
        await second_factor.confirm(hub, actor, ConfirmSecondFactor.model_validate({"code": phone.now(10)}))
    state = await second_factor.read(hub, actor)
    assert (state.is_on, state.is_required, state.recovery_codes_left) == (False, False, 0)
    codes = await second_factor.confirm(hub, actor, ConfirmSecondFactor.model_validate({"code": phone.now()}))
    assert len(set(codes.recovery_codes)) == 10
    state = await second_factor.read(hub, actor)
    assert (state.is_on, state.recovery_codes_left) == (True, 10)
    with pytest.raises(SecondFactorNeeded):
        await accounts.log_in(hub, PHONE, log_in())
    assert isinstance(await accounts.log_in(hub, PHONE, enter(phone.next())), Tokens)
    for again in (
        second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD})),
        second_factor.confirm(hub, actor, ConfirmSecondFactor.model_validate({"code": phone.next()})),
    ):
        with pytest.raises(second_factor.SecondFactorIsOn):
            await again


async def test_only_who_knows_the_password_learns_of_the_second_factor(hub: ListeningHub) -> None:
    phone, _ = await enrolled(hub, await registered(hub))
    for code in (None, phone.next(), "000000"):
        with pytest.raises(WrongCredentials):
            await accounts.log_in(hub, PHONE, enter(code, "wrong horse battery"))


@pytest.mark.abuse("D5")
async def test_a_code_of_the_authenticator_works_once_and_none_older_after_it(hub: ListeningHub) -> None:
    phone, _ = await enrolled(hub, await registered(hub))
    code = phone.next()
    older = phone.now(-1)
    await accounts.log_in(hub, PHONE, enter(code))
    for wrong in (code, older, phone.now(2), phone.now(-2), "000000", "x"):
        with pytest.raises(WrongSecondFactor):
            await accounts.log_in(hub, PHONE, enter(wrong))
    assert isinstance(await accounts.log_in(hub, PHONE, enter(phone.now(1))), Tokens)


@pytest.mark.abuse("D4", "D5")
async def test_of_many_who_bring_one_code_at_once_one_is_let_in(hub: ListeningHub) -> None:
    phone, recovery_codes = await enrolled(hub, await registered(hub))
    for code in (phone.next(), recovery_codes[0]):
        outcomes = await asyncio.gather(
            *(accounts.log_in(hub, PHONE, enter(code)) for _ in range(20)), return_exceptions=True
        )
        assert sum(isinstance(one, Tokens) for one in outcomes) == 1
        assert sum(isinstance(one, WrongSecondFactor) for one in outcomes) == 19


async def test_a_recovery_code_works_once_however_it_is_typed(hub: ListeningHub) -> None:
    given = await registered(hub)
    phone, codes = await enrolled(hub, given)
    for typed in (codes[0].upper(), codes[1].replace("-", ""), f" {codes[2]} "):
        assert isinstance(await accounts.log_in(hub, PHONE, enter(typed)), Tokens)
    with pytest.raises(WrongSecondFactor):
        await accounts.log_in(hub, PHONE, enter(codes[0]))
    actor = await actor_of(hub, given)
    assert (await second_factor.read(hub, actor)).recovery_codes_left == 7
    fresh = await second_factor.renew_recovery_codes(hub, actor, both(phone.next()))
    with pytest.raises(WrongSecondFactor):
        await accounts.log_in(hub, PHONE, enter(codes[5]))
    assert isinstance(await accounts.log_in(hub, PHONE, enter(fresh.recovery_codes[5])), Tokens)


async def test_the_database_keeps_no_secret_that_could_be_used(hub: ListeningHub) -> None:
    given = await registered(hub)
    actor = await actor_of(hub, given)
    enrolment = await second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD}))
    async with hub.pool.acquire() as db:
        kept = bytes(await db.fetchval("SELECT secret FROM second_factors"))
    assert enrolment.secret.encode() not in kept
    # A hub with another secret cannot read it, and lets nobody in by it.
    hub.settings = replace(hub.settings, secret="another-secret-" + "y" * 32)
    ask = ConfirmSecondFactor.model_validate({"code": Phone(hub, enrolment.secret).now()})
    with pytest.raises(CodeGone):
        await second_factor.confirm(hub, actor, ask)


@pytest.mark.abuse("D1", "D4")
async def test_who_has_the_password_cannot_guess_the_code_from_many_addresses(hub: ListeningHub) -> None:
    phone, _ = await enrolled(hub, await registered(hub))
    hub.settings = replace(hub.settings, rate_limits=True)
    wrong = phone.now(50)
    outcomes = await asyncio.gather(
        *(accounts.log_in(hub, replace(PHONE, address=f"198.51.100.{n}"), enter(wrong)) for n in range(50)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, WrongSecondFactor) for one in outcomes) == 5
    assert sum(isinstance(one, TooManyTries) for one in outcomes) == 45


async def test_asking_for_the_code_is_no_wrong_try(hub: ListeningHub) -> None:
    phone, _ = await enrolled(hub, await registered(hub))
    hub.settings = replace(hub.settings, rate_limits=True)
    for _ in range(12):
        with pytest.raises(SecondFactorNeeded):
            await accounts.log_in(hub, PHONE, enter())
    for _ in range(12):
        assert isinstance(await accounts.log_in(hub, PHONE, enter(phone.next())), Tokens)


@pytest.mark.abuse("D10")
async def test_a_reset_by_mail_still_asks_for_the_second_factor(hub: ListeningHub) -> None:
    given = await registered(hub)
    await run(hub, "UPDATE users SET email_verified_at = clock_timestamp()")
    phone, _ = await enrolled(hub, given)
    await recovery.forgot(hub, PHONE, ForgotPassword.model_validate({"email": ANA}))
    token, code = (await link_for(hub, ANA)).partition("#token=")[2], await code_for(hub, ANA)

    async def reset(**proof: Any) -> None:
        await recovery.reset(hub, PHONE, ResetPassword.model_validate({"password": NEXT} | proof))

    for proof in ({"token": token}, {"email": ANA, "code": code}):
        with pytest.raises(SecondFactorNeeded):
            await reset(**proof)
        with pytest.raises(WrongSecondFactor):
            await reset(**proof, totp_code=phone.now(40))
    # Without a good code or link nobody learns that there is a second factor.
    with pytest.raises(CodeGone):
        await reset(token="x" * 43)
    assert await count(hub, "SELECT count(*) FROM logins WHERE revoked_at IS NULL") == 1
    await reset(token=token, totp_code=phone.next())
    assert await good(hub, given) == set()
    assert isinstance(await accounts.log_in(hub, PHONE, enter(phone.next(), NEXT)), Tokens)


@pytest.mark.abuse("D14")
async def test_a_second_factor_keeps_nobody_from_an_account_whose_address_is_theirs(hub: ListeningHub) -> None:
    stolen = await registered(hub)
    await enrolled(hub, stolen)
    await recovery.forgot(hub, PHONE, ForgotPassword.model_validate({"email": ANA}))
    token = (await link_for(hub, ANA)).partition("#token=")[2]
    await recovery.reset(hub, PHONE, ResetPassword.model_validate({"password": NEXT, "token": token}))
    assert await good(hub, stolen) == set()
    assert isinstance(await accounts.log_in(hub, PHONE, enter(None, NEXT)), Tokens)


@pytest.mark.abuse("D10")
async def test_a_new_password_or_address_asks_for_the_second_factor(hub: ListeningHub) -> None:
    given = await registered(hub)
    phone, codes = await enrolled(hub, given)
    actor = await actor_of(hub, given)

    async def change(code: str | None) -> Tokens:
        ask = {"current_password": PASSWORD, "password": NEXT, "totp_code": code}
        return await credentials.change_password(hub, actor, ChangePassword.model_validate(ask))

    async def change_email(code: str | None) -> Any:
        ask = {"email": "new@example.org", "password": PASSWORD, "totp_code": code}
        return await credentials.change_email(hub, actor, ChangeEmail.model_validate(ask))

    for changing in (change, change_email):
        with pytest.raises(CodeNeeded) as needed:
            await changing(None)
        with pytest.raises(WrongCode) as wrong:
            await changing(phone.now(40))
        # To its page 401 would mean that nobody is logged in.
        assert (needed.value.status, wrong.value.status) == (403, 403)
        assert (needed.value.code, wrong.value.code) == ("code_needed", "wrong_code")
    await change_email(phone.next())
    await change(codes[3])


async def test_ending_it_takes_both_factors(hub: ListeningHub) -> None:
    given = await registered(hub)
    actor = await actor_of(hub, given)
    with pytest.raises(second_factor.SecondFactorIsOff):
        await second_factor.end(hub, actor, both("123456"))
    phone, codes = await enrolled(hub, given)
    with pytest.raises(WrongPassword):
        await second_factor.end(hub, actor, both(phone.next(), "wrong horse battery"))
    with pytest.raises(WrongCode):
        await second_factor.end(hub, actor, both(phone.now(40)))
    await second_factor.end(hub, actor, both(phone.next()))
    assert isinstance(await accounts.log_in(hub, PHONE, log_in()), Tokens)
    assert await count(hub, "SELECT count(*) FROM recovery_codes") == 0
    subjects = [one.subject for one in await letters_to(hub, ANA)]
    assert "Logging in now asks for a second factor" in subjects
    assert "Logging in no longer asks for a second factor" in subjects
    fresh, _ = await enrolled(hub, given)
    assert fresh.totp.secret != phone.totp.secret
    with pytest.raises(WrongSecondFactor):
        await accounts.log_in(hub, PHONE, enter(codes[0]))


async def test_where_admins_need_one_their_token_is_good_for_nothing_else(hub: ListeningHub) -> None:
    hub.settings = replace(hub.settings, admin_totp=True)
    given, ben = await registered(hub), await registered(hub, email="ben@example.org")
    async with hub.pool.acquire() as db:
        await users.grant_role(db, given.user.id, "admin")
    with pytest.raises(SecondFactorRequired) as refusal:
        await actor_of(hub, given)
    assert refusal.value.status == 403
    actor = await accounts.actor_of(hub, given.access_token, setting_up=True)
    assert (await second_factor.read(hub, actor)).is_required
    enrolment = await second_factor.set_up(hub, actor, AskSecondFactor.model_validate({"password": PASSWORD}))
    phone = Phone(hub, enrolment.secret)
    with pytest.raises(SecondFactorRequired):
        await actor_of(hub, given)
    await second_factor.confirm(hub, actor, ConfirmSecondFactor.model_validate({"code": phone.now()}))
    admin = await actor_of(hub, given)
    assert admin.rank == 80
    with pytest.raises(Forbidden):
        await second_factor.end(hub, admin, both(phone.next()))
    assert (await actor_of(hub, ben)).rank == 10


async def test_who_loses_the_authenticator_gets_in_by_a_recovery_code_and_sets_up_another(hub: ListeningHub) -> None:
    given = await registered(hub)
    _, codes = await enrolled(hub, given)
    fresh = await accounts.log_in(hub, PHONE, enter(codes[0]))
    await second_factor.end(hub, await actor_of(hub, fresh), both(codes[1]))
    await enrolled(hub, fresh)
