"""Valkeys as operators run them: on ports, as a cluster, watched by Sentinels, and behind TLS."""

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis

from storage.embedded_server import Identity, Valkey

SLOTS = 16384
PRIMARY = "the-hub"


def free_port() -> int:
    """Find a port that nobody uses, below those that a system hands out by itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class OnPort(Valkey):
    """A Valkey on a port of this machine."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, folder.parent)
        self.port, self.options = free_port(), options

    @property
    def socket(self) -> Path:
        """Tell where the server listens besides."""
        return self.folder.with_suffix(".sock")

    @property
    def address(self) -> str:
        """Tell where the server listens."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> tuple[list[str], Identity]:
        """Make the folder."""
        command, identity = super().prepare()
        return [*command, "--port", str(self.port), "--appendonly", "no", *self.options], identity

    async def ask(self, *words: Any) -> Any:
        """Send the server a command."""
        async with Redis(port=self.port, protocol=2, decode_responses=True) as redis:
            return await redis.execute_command(*words)


class SentinelOnPort(OnPort):
    """A Sentinel that watches a primary, and names a replica in its place soon after it is gone."""

    def __init__(self, folder: Path, primary: OnPort) -> None:
        super().__init__(folder)
        self.primary = primary

    def prepare(self) -> tuple[list[str], Identity]:
        """Write what the Sentinel is to watch into its file, which it then keeps itself."""
        command, identity = super().prepare()
        file = self.folder / "sentinel.conf"
        lines = [
            f"port {self.port}",
            f"dir {self.folder}",
            f"unixsocket {self.socket}",
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self.primary.port} 1",
            f"sentinel down-after-milliseconds {PRIMARY} 500",
            f"sentinel failover-timeout {PRIMARY} 2000",
        ]
        file.write_text("\n".join(lines))
        return [command[0], str(file), "--sentinel"], identity


@dataclass
class ValkeyCluster:
    """Three primaries, each with a third of the slots, and a replica of the first."""

    primaries: list[OnPort]
    replica: OnPort

    @property
    def url(self) -> str:
        """Name two of the servers; the others are found by asking them."""
        return f"valkey+cluster://{self.primaries[0].address},{self.primaries[1].address}"

    def primary_of(self, slot: int) -> OnPort:
        """Tell which server had a slot at first."""
        return self.primaries[slot * 3 // SLOTS]

    async def give(self, slot: int, to: OnPort) -> None:
        """Move a slot that holds no keys to another server."""
        number = await to.ask("CLUSTER", "MYID")
        for one in (to, *(other for other in self.primaries if other is not to)):
            await one.ask("CLUSTER", "SETSLOT", slot, "NODE", number)


@asynccontextmanager
async def valkey_cluster(folder: Path) -> AsyncIterator[ValkeyCluster]:
    """Run a cluster."""
    async with AsyncExitStack() as stack:
        ones = []
        for number in range(4):
            own = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "1000")
            one = OnPort(folder / f"node{number}", *own, "--cluster-require-full-coverage", "no")
            await one.start()
            stack.push_async_callback(one.stop)
            ones.append(one)
        primaries, replica = ones[:3], ones[3]
        bounds = [-(-SLOTS * number // 3) for number in range(4)]
        for number, one in enumerate(primaries):
            await one.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await one.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for one in ones[1:]:
            await one.ask("CLUSTER", "MEET", "127.0.0.1", primaries[0].port, primaries[0].options[3])
        for one in ones:
            await until_says(one, ("CLUSTER", "INFO"), "cluster_known_nodes:4")
        await replica.ask("CLUSTER", "REPLICATE", await primaries[0].ask("CLUSTER", "MYID"))
        await until_says(replica, ("INFO", "replication"), "'master_link_status': 'up'")
        for one in ones:
            await until_says(one, ("CLUSTER", "INFO"), "cluster_state:ok")
        yield ValkeyCluster(primaries, replica)


async def until_says(one: OnPort, words: tuple[str, ...], said: str, seconds: float = 30) -> None:
    """Ask a server until its answer contains something."""
    async with asyncio.timeout(seconds):
        while said not in str(await one.ask(*words)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@asynccontextmanager
async def watched_by_sentinel(folder: Path) -> AsyncIterator[tuple[OnPort, OnPort, SentinelOnPort]]:
    """Run a primary with a replica, and a Sentinel that watches both."""
    async with AsyncExitStack() as stack:
        primary = OnPort(folder / "primary")
        replica = OnPort(folder / "replica", "--replicaof", "127.0.0.1", str(primary.port))
        sentinel = SentinelOnPort(folder / "sentinel", primary)
        for one in (primary, replica, sentinel):
            await one.start()
            stack.push_async_callback(one.stop)
        await until_says(replica, ("INFO", "replication"), "'master_link_status': 'up'")
        await until_says(sentinel, ("SENTINEL", "REPLICAS", PRIMARY), str(replica.port))
        yield primary, replica, sentinel


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine's own address; answers its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kind, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(certificate.public_bytes(encoding))
    (folder / "tls.key").write_bytes(key.private_bytes(encoding, kind, serialization.NoEncryption()))
    return folder / "tls.crt", folder / "tls.key"


@asynccontextmanager
async def behind_tls(valkey: Valkey, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Stand before a Valkey and speak TLS for it, which the one that comes along cannot; answers where, and its CA."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    serving: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def both() -> None:
            near, far = await asyncio.open_unix_connection(valkey.socket)
            await asyncio.gather(pass_on(reader, far), pass_on(near, writer))

        serving.add(asyncio.create_task(both()))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", certificate
    finally:
        server.close()
        await asyncio.gather(*serving, return_exceptions=True)
