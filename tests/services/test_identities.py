"""Logging in with accounts elsewhere: what a provider says is believed only once all of it is verified."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pyotp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from hub.core import Actor
from hub.errors import (
    CodeRefused,
    Forbidden,
    HubError,
    IdentityRefused,
    IdentityTaken,
    Invalid,
    LogInFirst,
    NotFound,
    ProviderUnreachable,
    Unauthenticated,
)
from hub.gateways import identity
from hub.gateways.identity import Journey, Providers
from hub.models.credentials import ResetPassword
from hub.models.identities import LinkIdentity, NameProvider, SocialLogIn, SocialSecondFactor
from hub.models.second_factor import AskSecondFactor, ConfirmSecondFactor
from hub.models.users import Register, Tokens
from hub.services import accounts, codes, identities, recovery, second_factor, tickets
from hub.services.totp import SecondFactorNeeded
from hub.settings import Settings
from tests.doors import PASSWORD, ListeningHub
from tests.identities import BOTH, PHONE, actor_of, good, log_in, run
from tests.openid import Forger

BACK = "https://app.example.org/back"
EMAIL = "ana@example.org"


@pytest.fixture
def settings(settings: Settings, forger: Forger) -> Settings:
    """Put the forger in the place of both providers."""
    return replace(
        settings,
        google_client_id=forger.client_id,
        google_client_secret=forger.client_secret,
        google_issuer=forger.issuer,
        facebook_client_id="another-client",
        facebook_client_secret="another-secret",
        facebook_issuer=forger.issuer,
    )


async def consented(hub: ListeningHub, forger: Forger, **fields: Any) -> dict[str, Any]:
    """Go to the provider and allow what is asked; answers what the way back brings."""
    journey = Journey("s" * 43, "n" * 43, "v" * 64)
    url = await identities.authorization_url(hub, "google", journey, BACK)
    asked = {
        "provider": "google",
        "code": forger.consents(url),
        "code_verifier": journey.verifier,
        "nonce": journey.nonce,
        "redirect_uri": BACK,
    }
    return asked | fields


async def come(hub: ListeningHub, forger: Forger, **fields: Any) -> Tokens:
    """Log in with the provider."""
    return await identities.log_in(hub, PHONE, SocialLogIn.model_validate(await consented(hub, forger, **fields)))


async def registered(hub: ListeningHub, *, verified: bool = True) -> Tokens:
    """Open an account with a password."""
    ask = Register(email=EMAIL, password=PASSWORD, full_name="Ana Reis")
    given = await accounts.register(hub, PHONE, ask)
    if verified:
        await run(hub, "UPDATE users SET email_verified_at = now() WHERE id = $1", given.user.id)
    return given


async def link(hub: ListeningHub, forger: Forger, actor: Actor, **fields: Any) -> Any:
    """Link the account at the provider."""
    asked = {"password": PASSWORD} | await consented(hub, forger) | fields
    return await identities.link(hub, actor, LinkIdentity.model_validate(asked))


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, "none")


# D12: what the token says


Lie = Callable[[dict[str, Any]], dict[str, Any]]
LIES: dict[str, Lie] = {
    "for another client": lambda claims: claims | {"aud": "another-client"},
    "for another client too": lambda claims: claims | {"aud": ["the-hub", "another-client"]},
    "for nobody": lambda claims: claims | {"aud": []},
    "to another client": lambda claims: claims | {"azp": "another-client"},
    "of another issuer": lambda claims: claims | {"iss": "https://accounts.google.com"},
    "of nearly the issuer": lambda claims: claims | {"iss": claims["iss"] + "/"},
    "of a part of the issuer": lambda claims: claims | {"iss": claims["iss"][:-1]},
    "of another journey": lambda claims: claims | {"nonce": "another"},
    "of no journey": lambda claims: claims | {"nonce": None},
    "with a list for a nonce": lambda claims: {**claims, "nonce": [claims["nonce"]]},
    "expired": lambda claims: claims | {"exp": int(time.time()) - 120},
    "expiring by a text": lambda claims: claims | {"exp": str(int(time.time()) + 300)},
    "never expiring": lambda claims: claims | {"exp": float("nan")},
    "issued in the future": lambda claims: claims | {"iat": int(time.time()) + 600},
    "not good yet": lambda claims: claims | {"nbf": int(time.time()) + 600},
    "about nobody": lambda claims: claims | {"sub": ""},
    "about a number": lambda claims: claims | {"sub": 7},
    "about an endless name": lambda claims: claims | {"sub": "x" * 300},
}


def without(name: str) -> Lie:
    """Leave out a claim."""
    return lambda claims: {key: value for key, value in claims.items() if key != name}


async def refusal(hub: ListeningHub, forger: Forger) -> str | None:
    """Answer with which code a log-in is refused; None when it is not."""
    try:
        await come(hub, forger)
    except HubError as refused:
        return refused.code
    return None


@pytest.mark.abuse("D12")
async def test_a_token_that_says_the_wrong_thing_is_refused(hub: ListeningHub, forger: Forger) -> None:
    lies = LIES | {f"without {name}": without(name) for name in ("iss", "sub", "aud", "exp", "iat", "nonce")}
    for how, lie in lies.items():
        forger.say = lie
        assert await refusal(hub, forger) == "identity_refused", how
    assert IdentityRefused.status == 401
    assert await hub.pool.fetchval("SELECT count(*) FROM users") == 0


# D12: how it is signed


def signatures(forger: Forger) -> dict[str, Callable[[dict[str, Any]], str]]:
    """Sign as attackers do."""
    stranger = rsa.generate_private_key(65537, 2048)
    public = forger.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))

    def by_public_key(claims: dict[str, Any]) -> str:
        # PyJWT itself refuses to sign so; attackers do not ask it.
        head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "first"}).encode())
        body = jwt.utils.base64url_encode(json.dumps(claims).encode())
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        return b".".join((head, body, jwt.utils.base64url_encode(signature.sign(head + b"." + body, pem)))).decode()

    return {
        "not at all": unsigned,
        "with an empty signature": lambda claims: forger.signed(claims).rpartition(".")[0] + ".",
        "by the client's secret": lambda claims: jwt.encode(claims, forger.client_secret * 4, "HS256"),
        "by the public key": by_public_key,
        "by a stranger": lambda claims: jwt.encode(claims, stranger, "RS256", {"kid": "first"}),
        "by a key of its own header": lambda claims: jwt.encode(claims, stranger, "RS256", {"kid": "x", "jwk": jwk}),
        "by a key from elsewhere": lambda claims: jwt.encode(
            claims, stranger, "RS256", {"kid": "x", "jku": f"{forger.issuer}/evil", "x5u": f"{forger.issuer}/evil"}
        ),
        "by a path": lambda claims: jwt.encode(claims, stranger, "RS256", {"kid": "../../dev/null"}),
        "by another algorithm": lambda claims: jwt.encode(claims, forger.keys["first"], "RS512", {"kid": "first"}),
        "with another body": lambda claims: ".".join(
            (forger.signed(claims).split(".")[0], *forger.signed(claims | {"sub": "2"}).split(".")[1:2], "AAAA")
        ),
        "no token": lambda claims: "no.token.at all",
        "nothing": lambda claims: "",
    }


@pytest.mark.abuse("D12", "C1", "C2", "C3")
async def test_a_token_signed_in_another_way_is_refused(hub: ListeningHub, forger: Forger) -> None:
    for how, sign in signatures(forger).items():
        forger.sign = sign
        assert await refusal(hub, forger) == "identity_refused", f"signed {how}"
    assert "evil" not in "".join(forger.asked)
    assert await hub.pool.fetchval("SELECT count(*) FROM users") == 0
    forger.sign = forger.signed
    assert (await come(hub, forger)).user.email == EMAIL


async def test_a_token_without_a_key_id_is_good_where_there_is_no_choice(hub: ListeningHub, forger: Forger) -> None:
    forger.sign = lambda claims: forger.signed(claims, None)
    assert (await come(hub, forger)).user.full_name == "Ana"


# D13


@pytest.mark.abuse("D13")
@pytest.mark.parametrize("field", ["google_id", "sub", "email", "name", "id_token", "user_id", "email_verified"])
async def test_nobody_says_by_themselves_who_they_are(field: str, hub: ListeningHub, forger: Forger) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        SocialLogIn.model_validate(await consented(hub, forger) | {field: "1"})


# D14


@pytest.mark.abuse("D14")
async def test_an_address_links_nothing(hub: ListeningHub, forger: Forger) -> None:
    given = await registered(hub)
    for _ in ("verified", "unverified"):
        for vouched in (True, False):
            forger.person = {"sub": "1", "email": EMAIL.upper(), "email_verified": vouched}
            assert await refusal(hub, forger) == LogInFirst.code
        await run(hub, "UPDATE users SET email_verified_at = NULL")
    assert await hub.pool.fetchval("SELECT count(*) FROM identities") == 0
    assert await good(hub, given) == BOTH


@pytest.mark.abuse("D14")
async def test_who_registered_anothers_address_has_no_way_in_once_it_is_linked(
    hub: ListeningHub, forger: Forger
) -> None:
    attacker = await registered(hub, verified=False)
    actor = await actor_of(hub, attacker)
    forger.person = {"sub": "9", "email": "somebody@else.example", "email_verified": True}
    with pytest.raises(identities.EmailNotVerified):
        await link(hub, forger, actor)
    forger.person = {"sub": "9", "email": EMAIL, "email_verified": False}
    with pytest.raises(identities.EmailNotVerified):
        await link(hub, forger, actor)
    other_login = await accounts.log_in(hub, PHONE, log_in())
    forger.person = {"sub": "1", "email": EMAIL, "email_verified": True}
    await link(hub, forger, actor)
    assert await good(hub, attacker) == set()
    assert await good(hub, other_login) == set()
    with pytest.raises(HubError):
        await accounts.log_in(hub, PHONE, log_in())
    rightful = await come(hub, forger)
    assert (rightful.user.id, rightful.user.email_verified) == (attacker.user.id, True)
    assert "user.changed" in hub.names()


@pytest.mark.abuse("D14")
async def test_who_resets_the_password_of_an_unverified_address_shuts_out_who_came_by_an_account_elsewhere(
    hub: ListeningHub, forger: Forger
) -> None:
    forger.person = {"sub": "9", "email": EMAIL}
    attacker = await come(hub, forger)
    async with hub.work(PHONE) as work:
        code = await codes.put(hub, work, attacker.user.id, "reset_password", EMAIL)
    ask = ResetPassword(email=EMAIL, code=code, password="another long sentence")
    await recovery.reset(hub, PHONE, ask)
    assert await good(hub, attacker) == set()
    assert await refusal(hub, forger) == LogInFirst.code


async def test_linking_needs_the_password_and_is_told_by_mail(hub: ListeningHub, forger: Forger) -> None:
    given = await registered(hub)
    actor = await actor_of(hub, given)
    with pytest.raises(HubError):
        await link(hub, forger, actor, password="not my password at all")
    with pytest.raises(Invalid):
        await link(hub, forger, actor, password=None)
    with pytest.raises(Forbidden):
        await link(hub, forger, replace(actor, impersonator_id=1))
    await link(hub, forger, actor)
    mails = await hub.pool.fetch("SELECT data FROM jobs WHERE data ->> 'template' = 'login_linked'")
    assert [(one["data"]["to"], one["data"]["facts"]["provider"]) for one in mails] == [(EMAIL, "Google")]
    listed = await identities.listed(hub, actor)
    assert [one.provider for one in listed.items] == ["google"]
    assert (await come(hub, forger)).user.id == given.user.id
    await identities.unlink(hub, actor, NameProvider(provider="google"))
    with pytest.raises(LogInFirst):
        await come(hub, forger)


async def test_one_account_elsewhere_opens_one_here(hub: ListeningHub, forger: Forger) -> None:
    first = await come(hub, forger)
    forger.person = {"sub": "2", "email": "rui@example.org", "email_verified": True}
    second = await come(hub, forger)
    assert first.user.id != second.user.id
    forger.person = {"sub": "3", "email": "rui@example.org", "email_verified": True}
    actor = await actor_of(hub, second)
    with pytest.raises(IdentityTaken):
        await link(hub, forger, actor, password=None)
    forger.person = {"sub": "1", "email": EMAIL, "email_verified": True}
    with pytest.raises(IdentityTaken):
        await link(hub, forger, actor, password=None)


async def test_who_has_no_password_proves_it_by_a_log_in_of_right_now(hub: ListeningHub, forger: Forger) -> None:
    given = await come(hub, forger)
    actor = await actor_of(hub, given)
    await identities.prove(hub, actor, None, None)
    await run(hub, "UPDATE logins SET created_at = now() - interval '11 minutes'")
    with pytest.raises(identities.NotFresh):
        await identities.prove(hub, actor, None, None)


async def test_somebody_suspended_does_not_get_in(hub: ListeningHub, forger: Forger) -> None:
    given = await come(hub, forger)
    await run(hub, "UPDATE users SET status = 'suspended' WHERE id = $1", given.user.id)
    with pytest.raises(Forbidden):
        await come(hub, forger)


async def test_ten_first_log_ins_at_once_open_one_account(hub: ListeningHub, forger: Forger) -> None:
    asked = [SocialLogIn.model_validate(await consented(hub, forger)) for _ in range(10)]
    answers = await asyncio.gather(*(identities.log_in(hub, PHONE, ask) for ask in asked), return_exceptions=True)
    assert any(isinstance(answer, Tokens) for answer in answers)
    assert all(isinstance(answer, Tokens | HubError) and not isinstance(answer, AssertionError) for answer in answers)
    assert await hub.pool.fetchval("SELECT count(*) FROM users") == 1


# D16


@pytest.mark.abuse("D16")
async def test_a_code_works_once_and_coming_again_ends_what_it_began(hub: ListeningHub, forger: Forger) -> None:
    ask = SocialLogIn.model_validate(await consented(hub, forger))
    given = await identities.log_in(hub, PHONE, ask)
    assert await actor_of(hub, given)
    with pytest.raises(CodeRefused) as refused:
        await identities.log_in(hub, PHONE, ask)
    assert refused.value.status == 400
    assert await good(hub, given) == set()
    assert forger.asked.count("token") == 1


@pytest.mark.abuse("D16")
async def test_of_many_who_bring_one_code_at_once_nobody_stays_in(hub: ListeningHub, forger: Forger) -> None:
    ask = SocialLogIn.model_validate(await consented(hub, forger))
    answers = await asyncio.gather(*(identities.log_in(hub, PHONE, ask) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(answer, Tokens | CodeRefused) for answer in answers), answers
    for answer in answers:
        if isinstance(answer, Tokens):
            assert await good(hub, answer) == set()
    assert forger.asked.count("token") == 1


async def test_a_code_is_worth_nothing_without_its_verifier(hub: ListeningHub, forger: Forger) -> None:
    for wrong in ({"code_verifier": "w" * 64}, {"redirect_uri": "https://evil.example/back"}, {"code": "made-up"}):
        with pytest.raises(CodeRefused):
            await come(hub, forger, **wrong)
    with pytest.raises(IdentityRefused):
        await come(hub, forger, nonce="m" * 43)


# D17


@pytest.mark.abuse("D17")
@pytest.mark.parametrize("part", ["where", "keys", "token"])
async def test_a_provider_that_is_out_of_order_is_unavailable(part: str, hub: ListeningHub, forger: Forger) -> None:
    garbage: list[Callable[[], web.Response]] = [
        lambda: web.Response(status=503),
        lambda: web.json_response({}, status=500),
        lambda: web.Response(text="<html>It works!</html>"),
    ]
    if part != "token":
        garbage += [lambda: web.json_response({}), lambda: web.json_response({"keys": [{"kty": "RSA", "n": "?"}]})]
    asked = await consented(hub, forger)
    for answer in garbage:
        hub.providers = Providers(hub.settings)
        forger.answers = {part: answer}
        asked["code"] += "x"
        forger.codes[asked["code"]] = forger.codes.get(asked["code"][:-1], {}) or next(iter(forger.codes.values()))
        with pytest.raises(ProviderUnreachable) as refused:
            await identities.log_in(hub, PHONE, SocialLogIn.model_validate(asked))
        assert (refused.value.status, refused.value.retry_after) == (503, 30.0)
    # Everybody else gets in as ever.
    await registered(hub)
    assert await accounts.log_in(hub, PHONE, log_in())


@pytest.mark.abuse("D17")
async def test_known_keys_stay_good_while_the_provider_forgets_its_own(
    hub: ListeningHub, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await come(hub, forger)
    monkeypatch.setattr(identity, "KEYS_GOOD_FOR", 0.0)
    monkeypatch.setattr(identity, "KEYS_ASKED_AFTER", 0.0)
    for answer in (
        lambda: web.Response(status=503),
        lambda: web.json_response({"keys": []}),
        lambda: web.Response(text="garbage"),
    ):
        forger.answers = {"keys": answer}
        assert (await come(hub, forger)).user.email == EMAIL
    assert forger.asked.count("keys") == 4


@pytest.mark.abuse("D17", "C3")
async def test_new_keys_are_fetched_when_they_are_needed_and_forgeries_do_not_hammer_the_provider(
    hub: ListeningHub, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await come(hub, forger)
    forger.keys = {"second": rsa.generate_private_key(65537, 2048)}
    forger.sign = lambda claims: jwt.encode(claims, forger.keys["second"], "RS256", {"kid": "second"})
    with pytest.raises(IdentityRefused):
        await come(hub, forger)
    assert forger.asked.count("keys") == 1
    monkeypatch.setattr(identity, "KEYS_ASKED_AFTER", 0.0)
    assert (await come(hub, forger)).user.email == EMAIL
    assert forger.asked.count("keys") == 2


async def test_facebook_trades_codes_where_its_discovery_does_not_say() -> None:
    provider = identity.OpenIdProvider("facebook", "https://www.facebook.com", "id", "secret")

    async def answered(*asked: Any) -> Any:
        return 200, {
            "issuer": "https://www.facebook.com",
            "authorization_endpoint": "https://facebook.com/dialog/oauth/",
            "jwks_uri": "https://www.facebook.com/.well-known/oauth/openid/jwks/",
        }

    provider._ask = answered  # type: ignore[method-assign]
    url = await provider.authorization_url(Journey("s", "n", "v"), BACK)
    assert url.startswith("https://facebook.com/dialog/oauth/?response_type=code&client_id=id")
    assert (await provider._where()).token_endpoint == "https://graph.facebook.com/oauth/access_token"


# The second factor


@pytest.mark.abuse("D10")
async def test_the_second_factor_is_still_asked(hub: ListeningHub, forger: Forger) -> None:
    given = await registered(hub)
    actor = await actor_of(hub, given)
    await link(hub, forger, actor)
    enrolled = await second_factor.set_up(hub, actor, AskSecondFactor(password=PASSWORD))
    totp = pyotp.TOTP(enrolled.secret)
    now = int(hub.clock.now().timestamp())
    await second_factor.confirm(hub, actor, ConfirmSecondFactor(code=totp.at(now - 30)))
    with pytest.raises(SecondFactorNeeded) as refused:
        await come(hub, forger)
    challenge = refused.value.details["challenge"]
    for wrong in (
        {"challenge": challenge, "totp_code": "000000"},
        {"challenge": challenge, "totp_code": totp.at(now), "provider": "facebook"},
        {"challenge": tickets.issue(hub, "journey", {}, 60), "totp_code": totp.at(now)},
        {"challenge": given.access_token, "totp_code": totp.at(now)},
    ):
        with pytest.raises((Unauthenticated, HubError)):
            await identities.second_factor(hub, PHONE, SocialSecondFactor(**{"provider": "google"} | wrong))
    ask = SocialSecondFactor(provider="google", challenge=challenge, totp_code=totp.at(now))
    assert (await identities.second_factor(hub, PHONE, ask)).user.id == given.user.id
    with pytest.raises(HubError):
        await identities.second_factor(hub, PHONE, ask)


async def test_what_is_not_set_up_is_not_there(hub: ListeningHub, forger: Forger) -> None:
    hub.providers = Providers(replace(hub.settings, google_client_id=None, google_client_secret=None))
    assert [one.provider for one in identities.socials(hub).items] == ["facebook"]
    with pytest.raises(NotFound):
        await identities.authorization_url(hub, "google", Journey("s", "n", "v"), BACK)
