"""The embedded servers start anywhere, keep what they were told, and leave nothing behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from storage.embedded import Urls, embedded_servers
from storage.embedded_server import Postgres, ServersRefused, Valkey

ROOT = Path(__file__).parents[2]
A_HUB = """
import asyncio, signal, sys
from pathlib import Path
from storage.embedded import embedded_servers
# A shell that starts the tests in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
async def main():
    async with embedded_servers(Path(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def running_on(data: Path) -> list[psutil.Process]:
    """List the servers whose command names the folder or that work inside it."""
    found = []
    for process in psutil.process_iter(["name", "cwd"]):
        at_work = process.info["cwd"] or ""
        if process.info["name"] in ("postgres", "valkey-server") and at_work.startswith(str(data)):
            found.append(process)
    return found


async def write(urls: Urls) -> None:
    connection = await asyncpg.connect(urls.database)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
    await connection.close()
    async with Redis.from_url(urls.redis) as redis:
        await redis.incr("kept")


async def written(urls: Urls) -> tuple[int, int]:
    connection = await asyncpg.connect(urls.database)
    rows = await connection.fetchval("SELECT count(*) FROM kept")
    await connection.close()
    async with Redis.from_url(urls.redis) as redis:
        return rows, int(await redis.get("kept"))


@asynccontextmanager
async def another_hub(data: Path) -> AsyncIterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", A_HUB, str(data)]
    process = await asyncio.to_thread(subprocess.Popen, command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


@contextmanager
def a_folder() -> Iterator[Path]:
    # Not pytest's own folder: each run of pytest closes that to everybody but root, also to this PostgreSQL.
    with tempfile.TemporaryDirectory(prefix="hub-tests-") as folder:
        yield Path(folder) / "var"
        for process in running_on(Path(folder)):
            process.kill()


@pytest.fixture
def nothing() -> Iterator[Path]:
    """Lend a folder for a first start, and end whatever a test left running on it."""
    with a_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
async def used() -> AsyncIterator[Path]:
    """Start once in a folder, and stop again."""
    with a_folder() as folder:
        async with embedded_servers(folder):
            pass
        yield folder


@pytest.fixture
def data(nothing: Path, used: Path) -> Path:
    """Lend a folder in which the servers ran before, which saves them the long first start."""
    # Python's own copying does not keep the owner.
    subprocess.run(["cp", "-a", used, nothing], check=True)
    return nothing


async def test_what_was_written_is_there_at_the_next_start(nothing):
    async with embedded_servers(nothing) as urls:
        await write(urls)
    took = []
    while not took or (took[-1] >= 5 and len(took) < 3):
        began = time.monotonic()
        async with embedded_servers(nothing) as urls:
            took.append(time.monotonic() - began)
            assert await written(urls) == (1, 1)
    assert took[-1] < 5, took


async def test_stopping_takes_less_than_five_seconds_and_leaves_no_process(data):
    took = []
    # The machine may be busy with something else once.
    while not took or (took[-1] >= 5 and len(took) < 3):
        async with embedded_servers(data) as urls:
            idle = await asyncpg.connect(urls.database)
            assert running_on(data)
            began = time.monotonic()
        took.append(time.monotonic() - began)
        assert running_on(data) == []
        idle.terminate()
    assert took[-1] < 5, took


async def test_the_servers_do_not_hear_the_terminal_but_end_with_their_hub(data):
    async with another_hub(data) as hub:
        assert os.getsid(hub.pid) not in {os.getsid(process.pid) for process in running_on(data)}
        hub.send_signal(signal.SIGINT)
        await asyncio.to_thread(hub.wait, 30)
        assert running_on(data) == []


async def test_after_a_killed_hub_the_next_one_ends_its_servers_and_keeps_its_data(data):
    async with another_hub(data) as hub, embedded_servers(data, join=True) as urls:
        await write(urls)
        hub.kill()
        await asyncio.to_thread(hub.wait)
    orphans = {process.pid for process in running_on(data)}
    assert orphans
    async with embedded_servers(data) as urls:
        assert await written(urls) == (1, 1)
        assert orphans.isdisjoint({process.pid for process in running_on(data)})


async def test_after_a_power_cut_everything_acknowledged_is_there(data):
    async with another_hub(data) as hub, embedded_servers(data, join=True) as urls:
        await write(urls)
        # Valkey writes its log once a second, and its data is the kind that may be lost.
        await asyncio.sleep(1.1)
        hub.kill()
        for process in running_on(data):
            # A worker of PostgreSQL may have come to its end by itself.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(hub.wait)
    async with embedded_servers(data) as urls:
        assert await written(urls) == (1, 1)


async def test_a_lock_whose_number_went_to_another_program_does_not_stop_the_start(data):
    async with embedded_servers(data) as urls:
        await write(urls)
    lock = data / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getppid()}\n{data / 'postgres'}\n1700000000\n5432\n{data / 'sockets'}\n\n  1 1\nready   \n")
    async with embedded_servers(data) as urls:
        assert await written(urls) == (1, 1)


async def test_a_second_hub_on_the_same_data_is_refused_in_one_sentence(data):
    async with embedded_servers(data):
        with pytest.raises(ServersRefused, match=r"^Another hub already uses the data in .*HUB_DATA\.$"):
            async with embedded_servers(data):
                pass


async def test_a_command_may_join_the_servers_of_a_running_hub_and_leaves_them_running(data):
    async with embedded_servers(data) as urls:
        async with embedded_servers(data, join=True) as joined:
            assert joined == urls
            await write(joined)
        assert await written(urls) == (1, 1)


async def test_a_command_that_may_join_starts_the_servers_when_nobody_runs_them(data):
    async with embedded_servers(data, join=True) as urls:
        await write(urls)
    assert running_on(data) == []


async def test_two_commands_that_start_at_once_share_the_servers(data):
    async def use(seconds: float) -> Urls:
        async with embedded_servers(data, join=True) as urls:
            await asyncio.sleep(seconds)
            return urls

    one, other = await asyncio.gather(use(2), use(0))
    assert one == other


@pytest.mark.parametrize("name", ["a folder with %41 'quotes' & ខ", "one, two", "deep/" * 20 + "folder"])
async def test_any_folder_will_do(nothing, name):
    async with embedded_servers(nothing / name) as urls:
        await write(urls)
        assert await written(urls) == (1, 1)


async def test_an_interrupted_first_start_is_made_anew(nothing):
    (nothing / "postgres.new").mkdir(parents=True)
    (nothing / "postgres.new" / "PG_VERSION").write_text("18\n")
    async with embedded_servers(nothing) as urls:
        await write(urls)


async def test_data_of_another_version_is_refused_with_the_servers_own_reason(data):
    version = data / "postgres" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(ServersRefused, match=r"^The embedded PostgreSQL did not start: .*version 12.*\.$"):
        async with embedded_servers(data):
            pass
    assert running_on(data) == []


async def test_the_settings_are_the_durable_ones(data):
    async with embedded_servers(data) as urls:
        connection = await asyncpg.connect(urls.database)
        names = ("fsync", "synchronous_commit", "full_page_writes", "jit", "listen_addresses", "TimeZone")
        settings = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        await connection.close()
    assert settings == ["on", "on", "on", "off", "", "UTC"]


async def test_nobody_else_on_the_machine_can_connect(data):
    async with embedded_servers(data):
        assert (data / "sockets").stat().st_mode & 0o077 == 0
        assert (data / "postgres").stat().st_mode & 0o077 == 0


async def test_variables_meant_for_other_servers_change_nothing(data, monkeypatch):
    for name, value in {"PGPORT": "6000", "PGDATABASE": "x", "PGUSER": "y", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    async with embedded_servers(data) as urls:
        await write(urls)


async def test_each_server_can_be_killed_and_started_alone(data):
    sockets = data / "sockets"
    sockets.mkdir(mode=0o700, exist_ok=True)
    for server in (Valkey(data / "valkey", sockets), Postgres(data / "postgres", sockets)):
        await server.start()
        await server.kill()
        assert not await server.answers()
        await server.start()
        assert await server.answers()
        await server.stop()


async def test_the_lock_holds_the_addresses_only_while_the_servers_run(data):
    async with embedded_servers(data) as urls:
        assert json.loads((data / "servers.lock").read_text()) == {"database": urls.database, "redis": urls.redis}
    assert (data / "servers.lock").read_text() == ""


async def test_the_way_to_the_data_is_opened_for_passing_only_and_only_under_root(data):
    data.parent.chmod(0o700)
    async with embedded_servers(data) as urls:
        await write(urls)
    assert data.parent.stat().st_mode & 0o777 == (0o701 if os.geteuid() == 0 else 0o700)
