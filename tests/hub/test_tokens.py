import base64
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub import tokens
from hub.errors import Unauthenticated
from hub.settings import Settings

NOW = datetime(2030, 5, 17, 12, 0, 0, 250_000, tzinfo=UTC)
LOGIN = uuid.UUID("0190b5a2-7c5e-7000-8000-000000000001")
SETTINGS = Settings(data=Path("unused"), secret="one-secret-" + "x" * 32, env="test")


def issue(settings: Settings = SETTINGS, now: datetime = NOW, **how: Any) -> str:
    token, _ = tokens.issue_access(settings, now, user_id=7, login_id=LOGIN, version=3, roles=["customer"], **how)
    return token


def claims(**changed: Any) -> dict[str, Any]:
    good = tokens.read_access(SETTINGS, NOW, issue()).model_dump()
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(payload: dict[str, Any], key: bytes | None = None, **how: Any) -> str:
    return jwt.encode(payload, key or tokens.signing_key(SETTINGS, "access"), how.pop("algorithm", "HS256"), **how)


def part(thing: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(thing, separators=(",", ":")).encode()).rstrip(b"=").decode()


def signed_by_hand(header: dict[str, Any], payload: dict[str, Any], key: bytes) -> str:
    body = f"{part(header)}.{part(payload)}"
    signature = hmac.digest(key, body.encode(), "sha256")
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def refused(token: str, now: datetime = NOW) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read_access(SETTINGS, now, token)


def test_a_token_says_who_by_which_login_and_until_when() -> None:
    token, expires_at = tokens.issue_access(
        SETTINGS, NOW, user_id=7, login_id=LOGIN, version=3, roles=["vendor", "customer"]
    )
    read = tokens.read_access(SETTINGS, NOW, token)
    assert (read.user_id, read.login_id, read.ver, read.roles) == (7, LOGIN, 3, ["vendor", "customer"])
    assert read.expires_at == expires_at == datetime(2030, 5, 17, 12, 15, tzinfo=UTC)
    assert (read.sub, read.typ, read.aud, read.iss) == ("7", "access", "hub", "booking-hub")


def test_every_token_has_an_id_of_its_own() -> None:
    ids = {tokens.read_access(SETTINGS, NOW, issue()).jti for _ in range(100)}
    assert len(ids) == 100


def test_the_time_that_decides_is_the_one_given_and_not_this_machines() -> None:
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    assert tokens.read_access(SETTINGS, long_ago, issue(now=long_ago)).user_id == 7
    refused(issue(now=long_ago), NOW)


def test_a_token_ends_at_the_second_it_names() -> None:
    token = issue()
    end = tokens.read_access(SETTINGS, NOW, token).expires_at
    tokens.read_access(SETTINGS, end - timedelta(microseconds=1), token)
    refused(token, end)
    refused(token, end + timedelta(days=1))


def test_a_token_may_last_as_long_as_its_door_promises() -> None:
    token = issue(lasts=timedelta(hours=24))
    tokens.read_access(SETTINGS, NOW + timedelta(hours=23), token)
    refused(token, NOW + timedelta(hours=24))


def test_workers_whose_clocks_differ_by_a_breath_trust_each_other() -> None:
    tokens.read_access(SETTINGS, NOW - timedelta(seconds=2), issue())
    refused(issue(), NOW - timedelta(minutes=1))


@pytest.mark.parametrize(
    "garbage", ["", ".", "..", "a.b.c", "Bearer x", "\x00", "ü.ü.ü", "\ud800", "." * 500, "x" * 5000]
)
def test_garbage_is_refused(garbage: str) -> None:
    refused(garbage)


def test_a_token_longer_than_any_of_the_hubs_is_not_even_read() -> None:
    refused(signed(claims(roles=["x" * 5000])))


@pytest.mark.abuse("C1")
@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", None, "HS384", "RS256"])
def test_an_unsigned_token_or_one_of_another_algorithm_is_refused(algorithm: str | None) -> None:
    body = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims())}"
    refused(body + ".")
    refused(body)
    refused(body + "." + issue().split(".")[2])


@pytest.mark.abuse("C2")
def test_a_token_signed_with_a_stronger_algorithm_and_the_right_key_is_refused() -> None:
    refused(signed(claims(), algorithm="HS512", key=tokens.signing_key(SETTINGS, "access") * 2))
    refused(signed_by_hand({"alg": "HS512", "typ": "JWT"}, claims(), tokens.signing_key(SETTINGS, "access")))


@pytest.mark.abuse("C2")
def test_a_public_key_is_no_secret() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for key in (public, public.strip(), b" " + public):
        refused(signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(), key))
    refused(jwt.encode(claims(), private, "RS256"))


@pytest.mark.abuse("C3")
@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../dev/null"},
        {"kid": "1' OR '1'='1"},
        {"kid": "access"},
        {"jku": "http://evil.example/keys"},
        {"x5u": "http://evil.example/cert"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": ["exp"]},
        {"typ": "refresh"},
        {"typ": "at+jwt"},
        {"b64": False},
    ],
)
def test_a_header_that_the_hub_does_not_write_is_refused_whatever_signed_it(header: dict[str, Any]) -> None:
    key = tokens.signing_key(SETTINGS, "access")
    refused(signed_by_hand({"alg": "HS256", "typ": "JWT"} | header, claims(), key))
    tokens.read_access(SETTINGS, NOW, signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(), key))


@pytest.mark.abuse("C6")
@pytest.mark.parametrize("name", ["sub", "iat", "exp", "jti", "typ", "aud", "iss", "ver", "sid", "roles"])
def test_every_claim_is_required(name: str) -> None:
    tokens.read_access(SETTINGS, NOW, signed(claims()))
    refused(signed(claims(**{name: None})))


@pytest.mark.abuse("C5", "C6")
@pytest.mark.parametrize(
    "changed",
    [
        {"typ": "refresh"},
        {"typ": "id"},
        {"typ": ["access"]},
        {"aud": "somebody else"},
        {"aud": ["hub", "somebody else"]},
        {"aud": "hu"},
        {"iss": "booking"},
        {"iss": "booking-hub.evil.example"},
        {"iss": ["booking-hub"]},
        {"exp": "1905163200"},
        {"exp": 1905163200.5},
        {"exp": True},
        {"exp": 10**30},
        {"iat": "now"},
        {"iat": 10**30},
        {"nbf": 4102444800},
        {"nbf": 1},
        {"sub": "0"},
        {"sub": "-1"},
        {"sub": "7 "},
        {"sub": "7\n"},
        {"sub": "\u0667"},
        {"sub": "7; DROP TABLE users"},
        {"sub": "9" * 30},
        {"ver": "3"},
        {"ver": True},
        {"sid": "not a login"},
        {"sid": ""},
        {"roles": "admin"},
        {"jti": 5},
        {"act": "somebody"},
    ],
)
def test_a_claim_of_another_shape_is_refused_whatever_signed_it(changed: dict[str, Any]) -> None:
    key = tokens.signing_key(SETTINGS, "access")
    refused(signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(**changed), key))


@pytest.mark.abuse("C6")
def test_a_token_of_another_hub_is_refused() -> None:
    other = Settings(data=Path("unused"), secret="another-secret-" + "x" * 32, env="test")
    refused(issue(other))


@pytest.mark.abuse("C5")
def test_what_the_hub_signs_for_another_purpose_is_no_access_token() -> None:
    refused(signed(claims(), key=tokens.signing_key(SETTINGS, "password reset")))
    refused(signed(claims(), key=SETTINGS.secret.encode()))


def test_changing_one_character_anywhere_breaks_the_token() -> None:
    token = issue()
    for position in range(len(token) - 1):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        refused(changed)
