"""Access tokens: short-lived proof of a login, signed by the hub for the hub alone."""

from __future__ import annotations

import functools
import hmac
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import Unauthenticated
from hub.settings import Settings

ALGORITHM: Final = "HS256"
ISSUER: Final = "booking-hub"
AUDIENCE: Final = "hub"
KIND: Final = "access"

# The hub writes this header and no other, so a key id, a key address or another algorithm is a forgery.
_HEADER = {"alg": ALGORITHM, "typ": "JWT"}
_LONGEST = 4096
# Workers carry the database's clock forward by themselves; two of them may differ by a breath.
_CLOCKS_DIFFER = timedelta(seconds=5)


class Impersonator(BaseModel):
    """Who really bears a token (RFC 8693's `act`): a super admin who acts for the person it names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    sub: str = Field(pattern=re.compile(r"\A[1-9][0-9]{0,17}\Z"))


class AccessClaims(BaseModel):
    """What an access token says: who, by which login, until when; rights are read from the database each time."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    sub: str = Field(pattern=re.compile(r"\A[1-9][0-9]{0,17}\Z"))
    iat: int
    exp: int
    jti: str
    typ: Literal["access"]
    aud: Literal["hub"]
    iss: Literal["booking-hub"]
    ver: int
    sid: str = Field(pattern=re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"))
    roles: list[str]
    act: Impersonator | None = None

    @property
    def user_id(self) -> int:
        """Answer whose token it is."""
        return int(self.sub)

    @property
    def login_id(self) -> uuid.UUID:
        """Answer the login it stands for."""
        return uuid.UUID(self.sid)

    @property
    def expires_at(self) -> datetime:
        """Answer when it ends."""
        return datetime.fromtimestamp(self.exp, UTC)


def signing_key(settings: Settings, purpose: str) -> bytes:
    """Derive the key of one purpose, so that what is signed for one is worth nothing for another."""
    return _derived(settings.secret, purpose)


@functools.lru_cache(maxsize=64)
def _derived(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")


def issue_access(
    settings: Settings,
    now: datetime,
    *,
    user_id: int,
    login_id: uuid.UUID,
    version: int,
    roles: Sequence[str],
    lasts: timedelta | None = None,
    impersonator_id: int | None = None,
) -> tuple[str, datetime]:
    """Sign an access token for a login and answer when it expires; `now` is the database's time."""
    issued_at = int(now.timestamp())
    expires_at = issued_at + int((lasts or timedelta(minutes=settings.access_minutes)).total_seconds())
    claims = AccessClaims(
        sub=str(user_id),
        iat=issued_at,
        exp=expires_at,
        jti=uuid.uuid4().hex,
        typ=KIND,
        aud=AUDIENCE,
        iss=ISSUER,
        ver=version,
        sid=str(login_id),
        roles=list(roles),
        act=None if impersonator_id is None else Impersonator(sub=str(impersonator_id)),
    )
    token = jwt.encode(claims.model_dump(exclude_none=True), signing_key(settings, KIND), ALGORITHM)
    return token, claims.expires_at


def read_access(settings: Settings, now: datetime, token: str) -> AccessClaims:
    """Answer what a token of the hub says, or refuse a forged, foreign or expired one; `now` is the database's time."""
    try:
        claims = _signed(signing_key(settings, KIND), token)
        too_early = now + _CLOCKS_DIFFER < datetime.fromtimestamp(claims.iat, UTC)
        if too_early or claims.expires_at <= now:
            raise Unauthenticated()
    except (jwt.InvalidTokenError, ValidationError, ValueError, OverflowError, OSError) as error:
        raise Unauthenticated() from error
    return claims


# Most requests bring a token that was read before, and what was signed once is signed for good.
@functools.lru_cache(maxsize=10_000)
def _signed(key: bytes, token: str) -> AccessClaims:
    if len(token) > _LONGEST:
        raise Unauthenticated()
    read = jwt.decode_complete(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={
            "require": [name for name, field in AccessClaims.model_fields.items() if field.is_required()],
            # Time is judged each time, by the database's clock and not by this machine's.
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    if read["header"] != _HEADER:
        raise Unauthenticated()
    return AccessClaims.model_validate(read["payload"])
