"""Webhooks' receivers: where messages may be sent, how they are signed, and how one is handed over.

A name is resolved once for a connection, all that it resolves to is judged, and the connection is made to just that:
whoever changes where a name leads in between gains nothing. Of an answer only the status counts, and no redirect is
followed.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from uuid import UUID

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

SECONDS_TO_ANSWER: Final = 10.0
SECONDS_TO_RESOLVE: Final = 5.0
SECONDS_KEPT_ALIVE: Final = 15.0
SECONDS_TO_FINISH: Final = 1.0
LONGEST_ANSWER: Final = 4096
PORTS: Final = (443, 8443)
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
USER_AGENT: Final = "booking-hub-webhooks/1"
# What translates to IPv4 addresses, which may be anybody's.
_TRANSLATED = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("2001::/32"),
)


class NotPublic(OSError):
    """An address is not one of the public internet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver took a message: its HTTP status, or why there was none."""

    status: int | None
    error: str | None
    milliseconds: int
    retry_after: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Tell whether the receiver took the message."""
        return self.status is not None and 200 <= self.status < 300


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, and leads nowhere else."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed.scope_id or parsed.is_site_local or any(parsed in network for network in _TRANSLATED):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not parsed.is_unspecified


def fault_of(url: str, *, anywhere: bool) -> str | None:
    """Tell what is wrong with an address as it is written, nothing if it may be tried; `anywhere` is for trying out."""
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError:
        return "must be an address like https://example.org/hooks"
    if parsed.scheme != "https" and not (anywhere and parsed.scheme == "http"):
        return "must start with https://"
    if not host or any(character.isspace() for character in url):
        return "must be an address like https://example.org/hooks"
    if parsed.raw_user is not None or parsed.raw_password is not None:
        return "must not hold a name or a password"
    if "#" in url:
        return "must not hold a fragment"
    if port not in PORTS and not anywhere:
        return f"must lead to port {' or '.join(map(str, PORTS))}"
    return None


async def leads_nowhere(url: str, *, anywhere: bool) -> str | None:
    """Tell what is wrong with where an address leads; whether a name is unknown or private nobody learns."""
    if anywhere:
        return None
    try:
        async with asyncio.timeout(SECONDS_TO_RESOLVE):
            await _resolved(URL(url).host or "", 443)
    except (OSError, TimeoutError, UnicodeError):
        return "must lead to a public address"
    return None


async def _resolved(host: str, port: int) -> Sequence[Any]:
    """Resolve a name to all its addresses, every one of which must be public."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found or not all(is_public(str(one[4][0])) for one in found):
        raise NotPublic("not a public address")
    return found


class _Resolver(AbstractResolver):
    """Resolves names to public addresses only."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=one, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for one, _, proto, _, address in await _resolved(host, port)
            if family in (socket.AF_UNSPEC, one)
        ]

    async def close(self) -> None:
        pass


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Open the socket of a connection, the last moment to see where it leads."""
    family, kind, proto, _, address = info
    if not is_public(str(address[0])):
        raise NotPublic("not a public address")
    opened = socket.socket(family, kind, proto)
    opened.setblocking(False)
    return opened


def signed(secrets: Sequence[bytes], message_id: UUID, at: datetime, body: bytes) -> dict[str, str]:
    """Sign a message by Standard Webhooks, once for each secret that still holds."""
    named, seconds = f"msg_{message_id.hex}", int(at.timestamp())
    to_sign = f"{named}.{seconds}.".encode() + body
    return {
        "webhook-id": named,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signature(secret, to_sign) for secret in secrets),
    }


def signature(secret: bytes, to_sign: bytes) -> str:
    """Sign `id.timestamp.body` by one secret."""
    return f"v1,{base64.b64encode(hmac.digest(secret, to_sign, 'sha256')).decode()}"


def shown(secret: bytes) -> str:
    """Write a secret as Standard Webhooks does."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


class Receivers:
    """Hands messages over; one for all receivers of a process, each of whom has connections of its own."""

    def __init__(self, session: ClientSession, *, anywhere: bool) -> None:
        self._session, self._anywhere = session, anywhere

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Hand a message over; whatever goes wrong is the answer."""
        begun, error, status, retry_after = time.monotonic(), fault_of(url, anywhere=self._anywhere), None, 0.0
        if error is None:
            try:
                async with self._session.post(URL(url), data=body, headers=headers, allow_redirects=False) as response:
                    status = response.status
                    retry_after = _seconds(response.headers.get("Retry-After"))
                    await _finish(response)
            except Exception as failure:  # noqa: BLE001 - a lane goes on whatever a receiver does
                error = _sentence(failure)
        if status is not None and not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else f"answered {status}"
        return Answer(status, error, round((time.monotonic() - begun) * 1000), retry_after)


async def _finish(response: ClientResponse) -> None:
    """Read a short answer, so that its connection serves the next message; a long one is cut off."""
    if response.content_length is None or response.content_length > LONGEST_ANSWER:
        response.close()
        return
    try:
        async with asyncio.timeout(SECONDS_TO_FINISH):
            await response.read()
    except (ClientError, TimeoutError, OSError):
        response.close()


def _sentence(failure: BaseException) -> str:
    cause = getattr(failure, "os_error", None)
    if isinstance(failure, NotPublic) or isinstance(cause, NotPublic) or isinstance(failure, ClientConnectorDNSError):
        return "its name leads to no public address"
    if isinstance(failure, ClientConnectorCertificateError | ClientConnectorSSLError | ssl.SSLError):
        return "its certificate is not good"
    if isinstance(failure, TimeoutError):
        return f"no answer within {SECONDS_TO_ANSWER:.0f} seconds"
    if isinstance(failure, ClientConnectorError):
        return "nobody listens there"
    return "the connection broke off"


def _seconds(retry_after: str | None) -> float:
    """Read how long a receiver wants to be left alone."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


@asynccontextmanager
async def receivers(*, anywhere: bool) -> AsyncIterator[Receivers]:
    """Open what hands messages over; `anywhere` lets them go to private addresses too, to try them out."""
    guards: dict[str, Any] = {} if anywhere else {"resolver": _Resolver(), "socket_factory": _public_socket}
    connector = TCPConnector(limit=0, use_dns_cache=False, keepalive_timeout=SECONDS_KEPT_ALIVE, **guards)
    async with ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        timeout=ClientTimeout(total=SECONDS_TO_ANSWER),
        headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
    ) as session:
        yield Receivers(session, anywhere=anywhere)
