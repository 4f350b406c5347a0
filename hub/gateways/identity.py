"""Google and Facebook as OpenID providers: where a person is sent, and who they say has come back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import CodeRefused, IdentityRefused, NotFound, ProviderUnreachable
from hub.models.identities import Provider
from hub.settings import Settings

ALGORITHM: Final = "RS256"
TITLES: Final[dict[Provider, str]] = {"google": "Google", "facebook": "Facebook"}
# Facebook's discovery document does not name where codes are traded.
_TOKEN_ENDPOINTS = {"https://www.facebook.com": "https://graph.facebook.com/oauth/access_token"}
_SCOPES: Final[dict[Provider, str]] = {"google": "openid email profile", "facebook": "openid email public_profile"}

SECONDS_TO_ANSWER = 8.0
_LARGEST_ANSWER = 256 * 1024
# Keys are fetched again that often, and at once for a key id that is not known, but not for each forgery.
KEYS_GOOD_FOR = 3600.0
KEYS_ASKED_AFTER = 30.0
_CLOCKS_DIFFER = timedelta(seconds=60)


class Addresses(BaseModel):
    """Where a provider does what, as its discovery document says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Claims(BaseModel):
    """Who a verified id_token says has come; only the subject never changes hands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sub: str = Field(min_length=1, max_length=255)
    email: str | None = None
    # Some providers write it as a text.
    email_verified: bool = False
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None


@dataclass(frozen=True, slots=True)
class Journey:
    """What a browser takes along on its way to the provider, so that only it can come back from there."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """Answer the PKCE challenge (S256) of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class OpenIdProvider:
    """One provider, with what is remembered of its addresses and keys."""

    name: Provider
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    _addresses: Addresses | None = None
    _keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    _keys_at: float = -1e9
    _asked_at: float = -1e9
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def authorization_url(self, journey: Journey, redirect_uri: str) -> str:
        """Answer where to send a browser, so that it comes back to `redirect_uri` with a code."""
        addresses = await self._where()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": _SCOPES[self.name],
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": journey.challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in addresses.authorization_endpoint else "?"
        return f"{addresses.authorization_endpoint}{joint}{urlencode(asked)}"

    async def claims(self, code: str, verifier: str, redirect_uri: str, nonce: str, now: datetime) -> Claims:
        """Trade a code for an id_token, and answer what it says once every part of it is verified."""
        addresses = await self._where()
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code_verifier": verifier,
        }
        status, answer = await self._ask("POST", addresses.token_endpoint, given)
        if status >= 500 or status == 429:
            raise ProviderUnreachable()
        if status != 200:
            raise CodeRefused()
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IdentityRefused()
        return await self.verified(token, nonce, now)

    async def verified(self, token: str, nonce: str, now: datetime) -> Claims:
        """Judge an id_token by this provider's keys, for this hub, this moment and this nonce."""
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") != ALGORITHM or not (kid is None or isinstance(kid, str)):
                raise IdentityRefused()
            said = jwt.decode(
                token,
                await self._key(kid),
                algorithms=[ALGORITHM],
                audience=self.client_id,
                issuer=self.issuer,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat", "nonce"],
                    # Time is judged below by the database's clock, not by this machine's.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            self._judge(said, nonce, now)
            return Claims.model_validate(said)
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError, OverflowError) as error:
            raise IdentityRefused() from error

    def _judge(self, said: dict[str, Any], nonce: str, now: datetime) -> None:
        # A token for several clients is good for each of them, so another one could present it here.
        is_for_us = (
            said["aud"] in (self.client_id, [self.client_id]) and said.get("azp", self.client_id) == self.client_id
        )
        at = now.timestamp()
        differ = _CLOCKS_DIFFER.total_seconds()
        times = [said["exp"], said["iat"], said.get("nbf", said["iat"])]
        if not all(type(one) in (int, float) for one in times):
            raise IdentityRefused()
        expires, issued, begins = times
        is_its_time = expires + differ > at and max(issued, begins) - differ < at
        is_same_journey = isinstance(said["nonce"], str) and hmac.compare_digest(said["nonce"].encode(), nonce.encode())
        if not (is_for_us and is_its_time and is_same_journey):
            raise IdentityRefused()

    async def _where(self) -> Addresses:
        if self._addresses is None:
            status, answer = await self._ask("GET", f"{self.issuer}/.well-known/openid-configuration")
            if self.issuer in _TOKEN_ENDPOINTS:
                answer.setdefault("token_endpoint", _TOKEN_ENDPOINTS[self.issuer])
            try:
                addresses = Addresses.model_validate(answer)
            except ValidationError as error:
                raise ProviderUnreachable() from error
            if status != 200 or addresses.issuer != self.issuer:
                raise ProviderUnreachable()
            self._addresses = addresses
        return self._addresses

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        async with self._asking:
            now = time.monotonic()
            is_old = now - self._keys_at > KEYS_GOOD_FOR or self._find(kid) is None
            if is_old and now - self._asked_at > KEYS_ASKED_AFTER:
                self._asked_at = now
                await self._fetch_keys()
        key = self._find(kid)
        if key is None:
            raise IdentityRefused() if self._keys else ProviderUnreachable()
        return key

    def _find(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is not None and kid in self._keys:
            return self._keys[kid]
        # Without a key id there is no choice, or there must be none.
        return next(iter(self._keys.values())) if len(self._keys) == 1 and (kid is None or None in self._keys) else None

    async def _fetch_keys(self) -> None:
        """Fetch the keys anew; an outage or garbage leaves those that are known."""
        try:
            status, answer = await self._ask("GET", (await self._where()).jwks_uri)
            listed = answer.get("keys")
            if status != 200 or not isinstance(listed, list):
                return
            keys = [jwt.PyJWK(one) for one in listed if isinstance(one, dict) and one.get("kty") == "RSA"]
        except (ProviderUnreachable, jwt.PyJWTError, ValueError, TypeError):
            return
        usable = {key.key_id: key for key in keys if key.public_key_use in (None, "sig")}
        if usable:
            self._keys, self._keys_at = usable, time.monotonic()

    async def _ask(self, method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Ask the provider; what is no JSON object counts as no answer."""
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=SECONDS_TO_ANSWER)) as session,
                session.request(
                    method, url, data=form, headers={"Accept": "application/json"}, allow_redirects=False
                ) as response,
            ):
                body = b""
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > _LARGEST_ANSWER:
                        raise ProviderUnreachable()
                answer = orjson.loads(body)
                if not isinstance(answer, dict):
                    raise ProviderUnreachable()
                return response.status, answer
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderUnreachable() from error


class Providers:
    """The providers that the operator has set up."""

    def __init__(self, settings: Settings) -> None:
        named: list[tuple[Provider, str, str | None, str | None]] = [
            ("google", settings.google_issuer, settings.google_client_id, settings.google_client_secret),
            ("facebook", settings.facebook_issuer, settings.facebook_client_id, settings.facebook_client_secret),
        ]
        self._known: dict[Provider, OpenIdProvider] = {
            name: OpenIdProvider(name, issuer, client_id, secret)
            for name, issuer, client_id, secret in named
            if client_id and secret
        }

    def __getitem__(self, name: Provider) -> OpenIdProvider:
        if name not in self._known:
            raise NotFound("Nobody can log in with that here.")
        return self._known[name]

    @property
    def names(self) -> list[Provider]:
        """List the providers one can log in with."""
        return list(self._known)
