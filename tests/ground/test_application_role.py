"""The application works as a role that can neither change the schema nor what the audit has kept."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

import storage.migrate
from hub.app import open_hub
from hub.settings import Settings
from storage.embedded import Urls
from storage.migrate import migrate, migrate_database
from storage.pool import as_owner, open_pool
from tests import builders
from tests.doors import ListeningHub
from tests.servers import url_of

FORBIDDEN = [
    "CREATE TABLE mine (id integer)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
    "CREATE EXTENSION hstore",
    "ALTER TABLE bookings ADD COLUMN mine integer",
    "ALTER TABLE claims DROP CONSTRAINT room_already_claimed",
    "ALTER TABLE users DISABLE TRIGGER audit_update",
    "ALTER TABLE audit DISABLE TRIGGER audit_is_kept",
    "ALTER ROLE hub_app BYPASSRLS",
    "DROP TABLE audit",
    "DROP TRIGGER audit_update ON users",
    "TRUNCATE bookings",
    "SET session_replication_role = replica",
    "COPY users TO PROGRAM 'cat'",
    "COPY users TO '/tmp/users'",
    "UPDATE migrations SET sha256 = ''",
    "SELECT audit_every_table()",
    "SELECT let_application_work()",
]
THE_RECORD = [
    "INSERT INTO audit (entity, operation) VALUES ('user', 'update')",
    "UPDATE audit SET actor_id = NULL",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "SELECT setval('audit_id_seq', 1)",
    "INSERT INTO audit_seals (id, ids, digests, hash) VALUES (99, '{}', '', '')",
    "UPDATE audit_seals SET hash = ''",
    "DELETE FROM audit_seals",
    "UPDATE audit_horizon SET last_id = 0",
    "UPDATE audited SET exempt = 'mine'",
]


@pytest.fixture
async def modest_owner(servers: Urls) -> AsyncIterator[str]:
    """Lend an empty database whose owner is no superuser and may make no roles."""
    name = f"hub_modest_{secrets.token_hex(4)}"
    server = await asyncpg.connect(servers.database)
    try:
        await server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'modest'")
        await server.execute(f'CREATE DATABASE "{name}" OWNER {name}')
        yield name
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await server.execute(f"DROP ROLE {name}")
    finally:
        await server.close()


def url_as(servers: Urls, owner: str) -> str:
    """Write the address of a database with its owner as the user."""
    url = urlsplit(url_of(servers.database, owner))
    return urlunsplit(url._replace(netloc=f"{owner}:modest@{url.netloc.rpartition('@')[2]}"))


@pytest.mark.abuse("K8")
@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_cannot_change_the_schema(hub: ListeningHub, statement: str) -> None:
    async with hub.pool.acquire() as db:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await db.execute(statement)
    assert refused.value.sqlstate == "42501", refused.value


@pytest.mark.abuse("K4", "K8")
@pytest.mark.parametrize("statement", THE_RECORD)
async def test_the_application_cannot_touch_the_record(hub: ListeningHub, statement: str) -> None:
    await builders.make_user(hub)
    async with hub.pool.acquire() as db:
        with pytest.raises(asyncpg.PostgresError) as refused:
            await db.execute(statement)
    assert refused.value.sqlstate == "42501", refused.value


@pytest.mark.abuse("K4")
async def test_even_the_owner_changes_the_record_only_on_purpose(hub: ListeningHub) -> None:
    await builders.make_user(hub)
    async with as_owner(hub.pool) as db:
        for statement in ("UPDATE audit SET actor_id = 1", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
                await db.execute(statement)


@pytest.mark.abuse("K8")
async def test_the_role_is_as_small_as_it_says(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        role = await db.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
        memberships = await db.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = 'hub_app'::regrole")
    assert role["rolname"] == "hub_app"
    for right in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolreplication", "rolbypassrls"):
        assert role[right] is False, right
    assert memberships == 0


async def test_every_table_can_be_read_and_written_by_the_application(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        closed = await db.fetch(
            """
            SELECT c.relname FROM pg_class AS c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
              AND NOT has_table_privilege('hub_app', c.oid, 'SELECT') AND c.relname <> 'audit_horizon'
            """
        )
        read_only = await db.fetch(
            """
            SELECT c.relname::text FROM pg_class AS c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
              AND NOT has_table_privilege('hub_app', c.oid, 'INSERT, UPDATE, DELETE')
            """
        )
    assert closed == []
    assert {row[0] for row in read_only} == {
        *("audit", "audit_horizon", "audit_seals", "audited"),
        *("live_epoch", "migrations", "permissions", "resources"),
    }


@pytest.mark.abuse("K8")
async def test_it_works_for_an_owner_who_is_no_superuser(servers: Urls, template: str, modest_owner: str) -> None:
    # The template has made the role hub_app, as an operator does; its members are named by hand.
    assert template
    server = await asyncpg.connect(servers.database)
    try:
        await server.execute(f"GRANT hub_app TO {modest_owner}")
    finally:
        await server.close()
    url = url_as(servers, modest_owner)
    assert "0015_audit.sql" in await migrate_database(url)
    assert await migrate_database(url) == []
    pool = await open_pool(url, 2)
    try:
        async with pool.acquire() as db:
            assert await db.fetchval("SELECT current_user || ' for ' || session_user") == f"hub_app for {modest_owner}"
            await db.execute("INSERT INTO users (email, full_name) VALUES ('ana@example.org', 'Ana')")
            assert await db.fetchval("SELECT count(*) FROM audit WHERE entity = 'user'") == 1
            for statement in ("CREATE TABLE mine (id integer)", "DELETE FROM audit"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await db.execute(statement)
    finally:
        await pool.close()


async def test_an_owner_who_lacks_the_role_is_told_what_to_ask_for(
    servers: Urls, template: str, modest_owner: str
) -> None:
    assert template
    connection = await asyncpg.connect(url_as(servers, modest_owner))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"GRANT hub_app TO {modest_owner}"):
            await migrate(connection)
    finally:
        await connection.close()


async def test_an_owner_who_manages_the_role_needs_nobody(servers: Urls, template: str, modest_owner: str) -> None:
    assert template
    server = await asyncpg.connect(servers.database)
    try:
        if server.get_server_version().major < 16:
            pytest.skip("until PostgreSQL 15 whoever may make roles manages all of them")
        # as it is for whoever has made the role
        await server.execute(f"GRANT hub_app TO {modest_owner} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    finally:
        await server.close()
    url = url_as(servers, modest_owner)
    await migrate_database(url)
    pool = await open_pool(url, 1)
    await pool.close()


@pytest.mark.abuse("K8")
async def test_a_hub_may_log_in_as_somebody_who_is_nothing_but_its_role(
    database_url: str, settings: Settings, modest_owner: str
) -> None:
    server = await asyncpg.connect(database_url)
    try:
        await server.execute(f"GRANT hub_app TO {modest_owner}")
    finally:
        await server.close()
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"{modest_owner}:modest@{parts.netloc.rpartition('@')[2]}"))
    assert await migrate_database(url) == []
    async with open_hub(replace(settings, database_url=url)) as running:
        await builders.make_user(running.hub)
        async with running.hub.pool.acquire() as db:
            await db.execute("SET ROLE NONE")
            for statement in (*FORBIDDEN, *THE_RECORD):
                with pytest.raises(asyncpg.PostgresError) as refused:
                    await db.execute(statement)
                # it sees the hub's tables only as hub_app
                assert refused.value.sqlstate in ("42501", "42P01"), statement
            await db.execute("RESET ROLE")


async def test_whoever_is_nothing_but_the_role_cannot_migrate(
    database_url: str, modest_owner: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = await asyncpg.connect(database_url)
    try:
        await server.execute(f"GRANT hub_app TO {modest_owner}")
    finally:
        await server.close()
    (tmp_path / "9999_more.sql").write_text("CREATE TABLE more (id integer)")
    monkeypatch.setattr(storage.migrate, "MIGRATIONS", tmp_path)
    parts = urlsplit(database_url)
    url = urlunsplit(parts._replace(netloc=f"{modest_owner}:modest@{parts.netloc.rpartition('@')[2]}"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await migrate_database(url)
