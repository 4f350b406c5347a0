"""The PostgreSQL and the Valkey that come with the hub, so that it runs on a bare machine."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from storage.embedded_server import SECONDS_TO_START, Postgres, Server, ServersRefused, Valkey

# macOS allows a socket's whole path 103 bytes; this leaves room for the names of the sockets.
LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the two servers are reached."""

    database: str
    redis: str


@contextlib.asynccontextmanager
async def embedded_servers(data: Path, *, join: bool = False) -> AsyncIterator[Urls]:
    """Run both servers on the data in a folder; with `join`, use those that another hub already runs on it."""
    data = _made(data)
    with (data / "servers.lock").open("a+") as lock:
        others = await _lock_or_find(lock, join)
        if others is not None:
            yield others
            return
        with _socket_folder(data) as sockets:
            async with (
                _running(Valkey(data / "valkey", sockets)) as redis,
                _running(Postgres(data / "postgres", sockets)) as database,
            ):
                urls = Urls(database, redis)
                lock.write(json.dumps(asdict(urls)))
                lock.flush()
                yield urls
        lock.truncate(0)


def _made(data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    return data.resolve()


async def _lock_or_find(lock: TextIO, join: bool) -> Urls | None:
    """Take the lock, or return what the hub that holds it has written into it."""
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            written = lock.read()
        else:
            lock.truncate(0)
            return None
        if not join or time.monotonic() > deadline:
            folder = Path(lock.name).parent
            raise ServersRefused(f"Another hub already uses the data in {folder}: stop it, or set HUB_DATA.")
        if written:
            return Urls(**json.loads(written))
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _running(server: Server) -> AsyncIterator[str]:
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@contextlib.contextmanager
def _socket_folder(data: Path) -> Iterator[Path]:
    """Make the folder of the sockets, which only its owner may enter, with a path that fits into an address."""
    folder = data / "sockets"
    # What lies there belongs to servers that were killed, and PostgreSQL would not start beside its old lock.
    shutil.rmtree(folder, ignore_errors=True)
    # A comma in an address separates several servers.
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and "," not in str(folder):
        folder.mkdir(mode=0o700)
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="hub-") as short:
            yield Path(short)
