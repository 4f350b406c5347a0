"""How the hub reaches Redis by one address: a server, the primary that Sentinels name, or a cluster; TLS or not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisClusterException, RedisError

from hub.settings import SettingsRefused

# Seconds within which Redis must do what it is asked, and for which its silence is believed.
REDIS_SECONDS = 1.0
# Between two attempts to reconnect; jitter keeps many workers from arriving together.
RECONNECT_SECONDS = (0.2, 2.0)

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)

_PORTS = {"cluster": 6379, "sentinel": 26379}
# The older protocol: every reply to a subscriber is a plain list, and no maintenance notices mix in.
_MANNERS: dict[str, Any] = {
    "protocol": 2,
    "socket_timeout": REDIS_SECONDS,
    "socket_connect_timeout": REDIS_SECONDS,
    "health_check_interval": 0,
}

Client: TypeAlias = Redis | RedisCluster


def stop_if_cancelled() -> None:
    """Stop a task that was cancelled while a library waited: on Python 3.11 `asyncio.wait_for` may swallow that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError()


@dataclass(frozen=True)
class Shard:
    """One server of a cluster with the slots that it serves, or the one server there is, which serves them all."""

    address: tuple[str, int] | None = None
    slots: frozenset[int] = frozenset()

    def serves(self, channel: str) -> bool:
        """Tell whether what is published on a channel is heard here."""
        return self.address is None or slot_of(channel) in self.slots


def slot_of(channel: str) -> int:
    """Answer the slot of a cluster in which a channel or a key lies."""
    return key_slot(channel.encode())


class _PrimaryPool(SentinelConnectionPool):
    """Connections to the primary; the Sentinels that name it are let go together with them."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


class _Cluster(RedisCluster):
    """A client that reads the map by itself: who asks first may not have the time, and must not begin it in vain."""

    _reading: asyncio.Task[RedisCluster] | None = None

    async def initialize(self, *asked: Any, **named: Any) -> RedisCluster:
        """Wait for the map."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(super().initialize(*asked, **named))
            # Whoever waited may have given up, and then nobody asks how it ended.
            self._reading.add_done_callback(lambda read: read.cancelled() or read.exception())
        await asyncio.shield(self._reading)
        return self

    async def aclose(self) -> None:
        """Let go of every server."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await super().aclose()


class Reach:
    """Reads the address once, and makes clients and connections, with short time-outs, that reconnect by themselves."""

    def __init__(self, url: str) -> None:
        self._kept: ConnectionPool | None = None
        # Servers of the cluster that the address does not name; one of them may be all that is left.
        self._met: list[tuple[str, int]] = []
        scheme, _, rest = url.partition("://")
        plain, _, self.kind = scheme.replace("valkey", "redis", 1).partition("+")
        if not self.kind:
            self._url = f"{plain}://{rest}"
            return
        parts = urlsplit(f"{plain}://{rest}")
        user, at, hosts = parts.netloc.rpartition("@")
        try:
            self._hosts = [_host(host, _PORTS[self.kind]) for host in hosts.split(",")]
        except ValueError as error:
            raise SettingsRefused("REDIS_URL must list servers like one:6379,two:6379.") from error
        database, _, self._primary = parts.path.strip("/").rpartition("/")
        if self.kind == "cluster" and parts.path.strip("/") not in {"", "0"}:
            raise SettingsRefused("REDIS_URL names a cluster, which has no numbered databases.")
        if self.kind == "sentinel" and (not self._primary or not (database or "0").isdecimal()):
            raise SettingsRefused("REDIS_URL must end with the name under which the Sentinels know the primary.")
        # The first server stands for all: user, password and TLS are the same everywhere.
        options: dict[str, Any] = dict(parse_url(urlunsplit((plain, f"{user}{at}first", "", parts.query, ""))))
        self._is_tls = options.pop("connection_class", None) is SSLConnection
        self._of_sentinels = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")} | {
            name: value for name, value in options.items() if name.startswith("ssl_")
        }
        options.pop("host")
        self._options = options | ({"db": int(database)} if database else {})

    def client(self, *, timed: bool = True) -> Client:
        """Make a client for commands; one that is not `timed` waits, for who asks has a time-out for all its answers.

        To begin and end a time-out for each answer takes as long as to read it.
        """
        manners = _MANNERS if timed else _MANNERS | {"socket_timeout": None}
        if self.kind == "cluster":
            return _Cluster(
                startup_nodes=[ClusterNode(host, port) for host, port in {*self._hosts, *self._met}],
                ssl=self._is_tls,
                # One more time, with a map that is read anew; who asks knows better when to try again.
                retry=Retry(NoBackoff(), 1),
                **manners,
                **self._options,
            )
        return Redis.from_pool(self._pool(manners))

    def connection(self, shard: Shard) -> AbstractConnection:
        """Make a bare connection, on which a worker listens to a server; whoever asked for it ends it."""
        if shard.address is not None:
            kind: type[Connection] = SSLConnection if self._is_tls else Connection
            host, port = shard.address
            return kind(host=host, port=port, **_MANNERS, **self._options)
        # The pool only makes it: it is never given back.
        self._kept = self._kept or self._pool(_MANNERS)
        return cast(AbstractConnection, self._kept.make_connection())  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Let go of what the connections were made with."""
        if self._kept is not None:
            await self._kept.aclose()

    async def shards(self) -> list[Shard]:
        """Name the servers on which channels are heard; a cluster is asked anew each time, whoever of it answers."""
        if self.kind != "cluster":
            return [Shard()]
        cluster = cast(RedisCluster, self.client())
        try:
            await cluster.initialize()
            slots: dict[tuple[str, int], set[int]] = {}
            for slot in range(REDIS_CLUSTER_HASH_SLOTS):
                node = cluster.nodes_manager.get_node_from_slot(slot)
                slots.setdefault(_address(node), set()).add(slot)
            self._met = [_address(node) for node in cluster.get_nodes()]
        finally:
            await cluster.aclose()
        return [Shard(address, frozenset(slots[address])) for address in sorted(slots)]

    def _pool(self, manners: dict[str, Any]) -> ConnectionPool:
        if self.kind == "sentinel":
            sentinels = Sentinel(
                self._hosts,
                sentinel_kwargs=_MANNERS | {"ssl": self._is_tls, "retry": Retry(NoBackoff(), 0)} | self._of_sentinels,
            )  # type: ignore[no-untyped-call]
            return _PrimaryPool(self._primary, sentinels, ssl=self._is_tls, **manners, **self._options)  # type: ignore[no-untyped-call]
        return ConnectionPool.from_url(self._url, **manners)


def _address(node: ClusterNode) -> tuple[str, int]:
    return str(node.host), int(node.port)


def _host(given: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{given}")
    if not parts.hostname:
        raise ValueError(given)
    return parts.hostname, parts.port or port
