"""How often somebody may try a password or a code, and be sent one; counted in the database, for all workers."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import structlog

from hub.core import THE_HUB, Hub
from hub.errors import TooManyRequests
from storage import attempts as store
from storage.query import Db

log = structlog.get_logger()

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class TooManyTries(TooManyRequests):
    """Too many tries that were wrong; wait before the next one."""

    code = "too_many_tries"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many attempts within so many seconds, for one or several spans of time."""

    kind: str
    spans: tuple[tuple[int, int], ...]


# For an account and where the tries come from: nobody can lock out somebody who is elsewhere.
PASSWORDS = Limit("password", ((5, 15 * _MINUTE),))
# For an account alone, since whoever gets to try these knows its password already.
SECOND_FACTORS = Limit("second_factor", ((5, 15 * _MINUTE), (20, _DAY)))
# For an address or number, whoever asks.
SENDINGS = Limit("sending", ((1, _MINUTE), (5, _HOUR), (10, _DAY)))
# For an account, wherever it has codes sent to.
SENDINGS_BY = Limit("sending_by", ((10, _HOUR), (20, _DAY)))

# For whoever tries codes of offers that are not public: an account, or where who has none comes from.
OFFER_CODES = Limit("offer_code", ((10, _HOUR),))
# For where they come from whatever their accounts are; a house may have many guests.
OFFER_CODES_FROM = Limit("offer_code_from", ((50, _HOUR),))


@functools.lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """Name what one household or company has: an IPv4 address, or 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()


async def take(hub: Hub, db: Db, limit: Limit, *whom: str | int) -> float:
    """Count one more attempt within somebody's work; answers the seconds to wait, 0 when it may be made."""
    if not hub.settings.rate_limits:
        return 0.0
    spans = [most for most, _ in limit.spans], [seconds for _, seconds in limit.spans]
    return await store.take(db, limit.kind, _key(whom), *spans)


async def reserve(hub: Hub, limit: Limit, *whom: str | int) -> None:
    """Count one more attempt before it is judged, so that many at once cannot slip by; refuses one too many."""
    if not hub.settings.rate_limits:
        return
    async with hub.work(THE_HUB) as work:
        wait = await take(hub, work.db, limit, *whom)
    if wait > 0:
        # For whoever watches the logs: somebody is guessing.
        log.warning("too_many_tries", kind=limit.kind)
        raise TooManyTries(retry_after=wait)


async def give_back(hub: Hub, db: Db, limit: Limit, *whom: str | int) -> None:
    """Take an attempt out of the count, since it has succeeded."""
    if hub.settings.rate_limits:
        await store.give_back(db, limit.kind, _key(whom))


def _key(whom: tuple[str | int, ...]) -> bytes:
    # A hash, so that the count remembers nobody.
    return hashlib.sha256("\n".join(str(part) for part in whom).encode(errors="replace")).digest()
