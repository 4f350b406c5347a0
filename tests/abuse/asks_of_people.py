"""How staff, accounts and log-ins are asked about, where something has to be prepared first."""

from __future__ import annotations

import pyotp

from hub.core import Actor
from hub.models.people import SuspendPerson
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor
from hub.models.staff import Invite
from hub.services import codes, invitations, second_factor
from hub.services import people as administration
from hub.services.access import signed_in
from hub.services.verifications import locked
from tests.abuse.asks import Ask, ask, caller, venue
from tests.abuse.scene import Scene
from tests.builders import make_user
from tests.doors import PASSWORD

NEXT = "another horse battery staple"

# Staff


@ask("invitations.create")
async def _invite(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene), {"email": "new@example.org"})


@ask("invitations.create/manager")
async def _invite_manager(scene: Scene, who: str) -> Ask:
    return Ask(venue(scene), {"email": "new@example.org", "role": "manager"})


@ask("invitations.withdraw")
async def _withdraw(scene: Scene, who: str) -> Ask:
    made = await invitations.invite(scene.hub, scene.person("owner").actor, _invitation(scene))
    return Ask({"venue_id": scene.venue.id, "invitation_id": made.id})


@ask("invitations.show", "invitations.accept")
async def _answer(scene: Scene, who: str) -> Ask:
    await invitations.invite(scene.hub, scene.person("owner").actor, _invitation(scene))
    async with scene.hub.reading() as db:
        link = await db.fetchval("SELECT data->'facts'->>'link' FROM jobs WHERE kind = 'mail' ORDER BY id DESC LIMIT 1")
    return Ask(body={"token": link.partition("#token=")[2]})


def _invitation(scene: Scene) -> Invite:
    return Invite(venue_id=scene.venue.id, email=scene.person("customer").email)


# Accounts


@ask("users.reinstate")
async def _suspended(scene: Scene, who: str) -> Ask:
    person = await make_user(scene.hub)
    boss = scene.person("super").actor
    await administration.suspend(scene.hub, boss, SuspendPerson(user_id=person.id, reason="x"))
    return Ask({"user_id": person.id})


@ask("auth.login")
async def _log_in(scene: Scene, who: str) -> Ask:
    return Ask(body={"email": scene.person("customer").email, "password": PASSWORD})


@ask("auth.refresh")
async def _refresh(scene: Scene, who: str) -> Ask:
    return Ask(body={"refresh_token": scene.tokens.refresh_token})


@ask("auth.reset_password")
async def _reset(scene: Scene, who: str) -> Ask:
    person = scene.person("customer")
    code = await _code(scene, person.actor, "reset_password", person.email)
    return Ask(body={"email": person.email, "code": code, "password": NEXT})


# No provider is set up here: everybody is told alike.
@ask("auth.social_second_factor")
async def _social_second_factor(scene: Scene, who: str) -> Ask:
    return Ask({"provider": "google"}, {"challenge": "x", "totp_code": "123456"}, done=(401, 404))


@ask("auth.social")
async def _social(scene: Scene, who: str) -> Ask:
    body = {"code": "x", "code_verifier": "v" * 43, "nonce": "n" * 43, "redirect_uri": "https://app.example.org/back"}
    return Ask({"provider": "google"}, body, done=(404,))


@ask("me.link")
async def _link(scene: Scene, who: str) -> Ask:
    asked = await _social(scene, who)
    return Ask(asked.path, (asked.body or {}) | {"password": PASSWORD}, asked.done)


@ask("me.unlink")
async def _unlink(scene: Scene, who: str) -> Ask:
    user_id = signed_in(caller(scene, who))
    async with scene.hub.reading() as db:
        await db.execute(
            "INSERT INTO identities (user_id, provider, subject) VALUES ($1, 'google', $2)", user_id, str(user_id)
        )
    return Ask({"provider": "google"})


@ask("me.verify")
async def _verify(scene: Scene, who: str) -> Ask:
    return Ask(body={"channel": "email"})


@ask("me.check_verification")
async def _check(scene: Scene, who: str) -> Ask:
    actor = caller(scene, who)
    async with scene.hub.work(actor) as work:
        user = await locked(work, signed_in(actor))
        return Ask(
            body={"channel": "email", "code": await codes.put(scene.hub, work, user.id, "verify_email", user.email)}
        )


@ask("me.confirm_email")
async def _confirm_email(scene: Scene, who: str) -> Ask:
    return Ask(body={"code": await _code(scene, caller(scene, who), "change_email", "fresh@example.org")})


@ask("me.change_password")
async def _change_password(scene: Scene, who: str) -> Ask:
    return Ask(body={"current_password": PASSWORD, "password": NEXT})


@ask("me.change_email")
async def _change_email(scene: Scene, who: str) -> Ask:
    return Ask(body={"email": "fresh@example.org", "password": PASSWORD})


@ask("me.set_up_second_factor")
async def _set_up(scene: Scene, who: str) -> Ask:
    return Ask(body={"password": PASSWORD})


# Whoever owns venues, and the last super admin, have something in the way that is no right.
@ask("me.erase")
async def _erase(scene: Scene, who: str) -> Ask:
    return Ask(body={"password": PASSWORD}, done=(409,) if who in ("owner", "super") else (204,))


@ask("me.confirm_second_factor")
async def _confirm(scene: Scene, who: str) -> Ask:
    return Ask(body={"code": await _enrol(scene, who)})


@ask("me.renew_recovery_codes", "me.end_second_factor")
async def _prove_both(scene: Scene, who: str) -> Ask:
    confirm = ConfirmSecondFactor.model_validate({"code": await _enrol(scene, who)})
    recovery = await second_factor.confirm(scene.hub, caller(scene, who), confirm)
    return Ask(body={"password": PASSWORD, "code": recovery.recovery_codes[0]})


async def _enrol(scene: Scene, who: str) -> str:
    ask = AskSecondFactor.model_validate({"password": PASSWORD})
    enrolment = await second_factor.set_up(scene.hub, caller(scene, who), ask)
    return pyotp.TOTP(enrolment.secret).at(scene.hub.clock.now())


async def _code(scene: Scene, actor: Actor, purpose: str, target: str) -> str:
    async with scene.hub.work(actor) as work:
        return await codes.put(scene.hub, work, signed_in(actor), purpose, target)
