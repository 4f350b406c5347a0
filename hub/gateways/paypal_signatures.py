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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import certifi
from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from hub.errors import Forged, GatewayUnreachable

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


class Signatures:
    """The signatures of one webhook; certificates come from PayPal's own address only."""

    def __init__(self, webhook_id: str, address: str, roots: Sequence[x509.Certificate] | None = None) -> None:
        self._webhook_id = webhook_id
        self._roots = roots
        parts = urlsplit(address)
        # Asked at api-m.paypal.com, PayPal keeps its certificates at api.paypal.com.
        names = {parts.netloc, re.sub(r"^api-m\.", "api.", parts.netloc)}
        origins = "|".join(re.escape(f"{parts.scheme}://{name}") for name in sorted(names))
        self._place = re.compile(f"(?:{origins}){_PATH}")
        self._keys: dict[str, tuple[RSAPublicKey, datetime]] = {}
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
            key.verify(signature, signed.encode(), PKCS1v15(), SHA256())
        except InvalidSignature as error:
            raise Forged() from error

    async def _key(self, url: str) -> RSAPublicKey:
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
            key, good_until = self._judged(await _fetch(url))
            if len(self._keys) >= _MOST_KEPT:
                self._keys.pop(next(iter(self._keys)))
            self._keys[url] = key, good_until
            return key

    def _kept(self, url: str) -> RSAPublicKey | None:
        key, good_until = self._keys.get(url, (None, None))
        return key if good_until is not None and good_until > datetime.now(UTC) else None

    def _judged(self, pem: bytes) -> tuple[RSAPublicKey, datetime]:
        """Follow a certificate back to an authority that is trusted, and see that it is PayPal's."""
        now = datetime.now(UTC)
        if self._roots is None:
            self._roots = public_roots()
        try:
            leaf, *between = x509.load_pem_x509_certificates(pem)
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            owners = [name for name in names.get_values_for_type(x509.DNSName) if name.endswith(_OWNER)]
            owner = next(name for name in owners if "*" not in name)
            judge = PolicyBuilder().store(Store(list(self._roots))).time(now)
            judge.build_server_verifier(x509.DNSName(owner)).verify(leaf, between)
            key = leaf.public_key()
            if not isinstance(key, RSAPublicKey):
                raise TypeError("its key is of another kind")  # noqa: TRY301
        except (ValueError, TypeError, StopIteration, x509.ExtensionNotFound, VerificationError) as error:
            log.exception("the certificate of what came in PayPal's name is not PayPal's")
            raise Forged() from error
        return key, min(now + KEPT, leaf.not_valid_after_utc)


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
