"""Whether PayPal has signed what came in its name: by a certificate of PayPal's own, for this hub's webhook, lately.

https://developer.paypal.com/api/rest/webhooks/rest
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import certifi
import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from hub.errors import Forged, GatewayUnreachable
from hub.gateways.paypal_client import Client

log = logging.getLogger("hub.gateways.paypal")

ALGORITHM: Final = "SHA256withRSA"
PREFIX: Final = "paypal-"
SECONDS_TO_ANSWER = 5.0
# PayPal tells again for three days, and does not say that it signs anew.
OLDEST, NEWEST = timedelta(days=3, hours=1), timedelta(minutes=5)
# A certificate is looked at again after a day; strangers cannot have more than one fetched a second.
KEPT = timedelta(days=1)
SECONDS_BETWEEN = 1.0
_LARGEST = 64 * 1024
_MOST_KEPT = 16
_PATH = r"/v1/notifications/certs/CERT-[0-9A-Za-z-]{1,100}"
_OWNER = ".paypal.com"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def public_roots() -> list[x509.Certificate]:
    """List the authorities that browsers trust."""
    roots = []
    with warnings.catch_warnings():
        # One of them has a serial number that is to be refused some day; PayPal's is another.
        warnings.simplefilter("error")
        for pem in _PEM.findall(Path(certifi.where()).read_bytes()):
            try:
                roots.append(x509.load_pem_x509_certificate(pem))
            except (ValueError, DeprecationWarning, UserWarning):
                continue
    return roots


@dataclass(slots=True)
class Key:
    """A key that PayPal signs with: proven by its certificate, or else by PayPal's word for what it has signed."""

    key: RSAPublicKey
    good_until: datetime
    is_proven: bool


class Signatures:
    """The signatures of one webhook; certificates come from PayPal's own address only."""

    def __init__(self, webhook_id: str, client: Client, roots: Sequence[x509.Certificate] | None = None) -> None:
        self._webhook_id, self._client = webhook_id, client
        self._roots = roots
        parts = urlsplit(client.address)
        # Asked at api-m.paypal.com, PayPal keeps its certificates at api.paypal.com.
        names = {parts.netloc, re.sub(r"^api-m\.", "api.", parts.netloc)}
        origins = "|".join(re.escape(f"{parts.scheme}://{name}") for name in sorted(names))
        self._place = re.compile(f"(?:{origins}){_PATH}")
        self._keys: dict[str, Key] = {}
        self._asking = asyncio.Lock()
        self._asked_at = -1e9

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Forged unless PayPal has signed this; nothing is fetched before all else is right."""
        said = {name.lower(): value for name, value in headers.items() if name.lower().startswith(PREFIX)}
        url, moment = said.get("paypal-cert-url", ""), said.get("paypal-transmission-time", "")
        if said.get("paypal-auth-algo") != ALGORITHM or not self._place.fullmatch(url):
            log.error("what came in PayPal's name is signed elsewhere or otherwise; nothing was fetched")
            raise Forged()
        try:
            at = datetime.fromisoformat(moment)
            age = datetime.now(UTC) - at
            signature = base64.b64decode(said.get("paypal-transmission-sig", ""), validate=True)
        except (ValueError, TypeError) as error:
            raise Forged() from error
        if not -NEWEST <= age <= OLDEST:
            raise Forged()
        key = await self._key(url)
        signed = f"{said.get('paypal-transmission-id', '')}|{moment}|{self._webhook_id}|{zlib.crc32(body)}"
        try:
            key.key.verify(signature, signed.encode(errors="replace"), PKCS1v15(), SHA256())
        except InvalidSignature as error:
            raise Forged() from error
        if not key.is_proven:
            key.is_proven = await self._is_confirmed(said, body)
            if not key.is_proven:
                log.error("PayPal says that it has not signed what came in its name")
                raise Forged()

    async def _is_confirmed(self, said: Mapping[str, str], body: bytes) -> bool:
        """Ask PayPal whether it has signed this, once for each certificate."""
        try:
            if not isinstance(orjson.loads(body), dict):
                raise Forged()
        except ValueError as error:
            raise Forged() from error
        fields = ("auth-algo", "cert-url", "transmission-id", "transmission-sig", "transmission-time")
        asked = {name.replace("-", "_"): said.get(PREFIX + name, "") for name in fields}
        # As it came, byte by byte: written anew it might not be what was signed.
        written = orjson.dumps(asked | {"webhook_id": self._webhook_id})[:-1] + b',"webhook_event":' + body + b"}"
        status, answer = await self._client.ask("POST", "/v1/notifications/verify-webhook-signature", written)
        return status == 200 and answer.get("verification_status") == "SUCCESS"

    async def _key(self, url: str) -> Key:
        kept = self._kept(url)
        if kept is not None:
            return kept
        async with self._asking:
            # Somebody else may have asked for it meanwhile.
            kept = self._kept(url)
            if kept is not None:
                return kept
            now = asyncio.get_running_loop().time()
            if now - self._asked_at < SECONDS_BETWEEN:
                raise GatewayUnreachable()
            self._asked_at = now
            key = self._judged(await _fetch(url))
            if len(self._keys) >= _MOST_KEPT:
                self._keys.pop(next(iter(self._keys)))
            self._keys[url] = key
            return key

    def _kept(self, url: str) -> Key | None:
        key = self._keys.get(url)
        return key if key is not None and key.good_until > datetime.now(UTC) else None

    def _judged(self, pem: bytes) -> Key:
        """See that a certificate is PayPal's, and follow it back to an authority that is trusted.

        One that comes without those between cannot be followed, so PayPal has to be asked about what it signs.
        """
        now = datetime.now(UTC)
        try:
            leaf, *between = x509.load_pem_x509_certificates(pem)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            owners = [name for name in names.get_values_for_type(x509.DNSName) if name.endswith(_OWNER)]
            owner = next(name for name in owners if "*" not in name)
            key = leaf.public_key()
            if not isinstance(key, RSAPublicKey) or not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
                raise ValueError("it is of another kind or another time")  # noqa: TRY301
            if between:
                self._follow(leaf, between, owner, now)
        except (ValueError, TypeError, StopIteration, x509.ExtensionNotFound, VerificationError) as error:
            log.exception("the certificate of what came in PayPal's name is not PayPal's")
            raise Forged() from error
        return Key(key, min(now + KEPT, leaf.not_valid_after_utc), is_proven=bool(between))

    def _follow(self, leaf: x509.Certificate, between: list[x509.Certificate], owner: str, now: datetime) -> None:
        if self._roots is None:
            self._roots = public_roots()
        judge = PolicyBuilder().store(Store(list(self._roots))).time(now)
        judge.build_server_verifier(x509.DNSName(owner)).verify(leaf, between)


async def _fetch(url: str) -> bytes:
    """Fetch a certificate, without any login of the hub's."""
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=SECONDS_TO_ANSWER)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            pem = b""
            async for part in response.content.iter_any():
                pem += part
                if len(pem) > _LARGEST:
                    raise GatewayUnreachable()
            if response.status != 200:
                raise GatewayUnreachable()
            return pem
    except (ClientError, TimeoutError, OSError) as error:
        raise GatewayUnreachable() from error
