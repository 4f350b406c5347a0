"""Seals: what was written cannot be changed, removed, added or dated back without breaking the chain there."""

from __future__ import annotations

import asyncio

import pytest

from hub.models.audit import VerifyAudit
from hub.services import audit
from storage.pool import as_owner
from tests import builders
from tests.doors import ListeningHub
from tests.sealing import seal_all

# What somebody with every right over the database does to hide something, and what the verifier makes of it.
TAMPERING = {
    "UPDATE audit SET actor_id = 999 WHERE id = {row}": "the row was changed",
    "UPDATE audit SET after = '{{}}' WHERE id = {row}": "the row was changed",
    "UPDATE audit SET at = at - interval '1 day' WHERE id = {row}": "the row was changed",
    "UPDATE audit SET asked = 'else' WHERE id = {row}": "the row was changed",
    "DELETE FROM audit WHERE id = {row}": "the row was removed",
    """
    UPDATE audit_seals SET digests = overlay(digests PLACING sha256('') FROM 1) WHERE {row} = ANY (ids)
    """: "its seal was changed",
    "UPDATE audit_seals SET sealed_at = sealed_at - interval '1 hour' WHERE {row} = ANY (ids)": "its seal was changed",
    "DELETE FROM audit_seals WHERE {row} = ANY (ids)": "its seal was removed",
}


async def tamper(hub: ListeningHub, statement: str) -> None:
    """Change the record as only the owner of the database can, who first has to take its guards away."""
    async with as_owner(hub.pool) as db:
        await db.execute(
            f"ALTER TABLE audit DISABLE TRIGGER audit_is_kept; ALTER TABLE audit_seals DISABLE TRIGGER ALL; {statement}"
        )


async def a_chain(hub: ListeningHub, seals: int = 4) -> list[list[int]]:
    """Write several seals' worth of entries; answers the entries of each."""
    for _ in range(seals):
        for _ in range(5):
            await builders.make_user(hub)
        await seal_all(hub)
    async with hub.pool.acquire() as db:
        return [row[0] for row in await db.fetch("SELECT ids FROM audit_seals ORDER BY id")]


async def test_an_untouched_chain_holds_to_its_end(hub: ListeningHub) -> None:
    chain = await a_chain(hub)
    found = await audit.verify_all(hub)
    assert found.holds
    assert found.broken is None
    assert (found.held_to, found.unsealed, found.next_seal) == (len(chain), 0, None)
    async with hub.pool.acquire() as db:
        assert found.entries == sum(map(len, chain)) == await db.fetchval("SELECT count(*) FROM audit")
        head = await db.fetchval("SELECT hash FROM audit_seals ORDER BY id DESC LIMIT 1")
    assert found.head == head.hex()


@pytest.mark.abuse("K4")
@pytest.mark.parametrize("statement", TAMPERING)
async def test_the_first_broken_link_is_named(hub: ListeningHub, statement: str) -> None:
    chain = await a_chain(hub)
    row = chain[2][1]
    await tamper(hub, statement.format(row=row))
    found = await audit.verify_all(hub)
    assert not found.holds
    assert found.broken is not None
    assert found.broken.seal == 3
    assert found.broken.reason == TAMPERING[statement]
    assert found.broken.row == (row if "row" in found.broken.reason else None)
    assert found.held_to == 2


@pytest.mark.abuse("K4")
async def test_a_row_that_is_slipped_in_is_found(hub: ListeningHub) -> None:
    chain = await a_chain(hub)
    async with as_owner(hub.pool) as db:
        await db.execute("SELECT nextval('audit_id_seq')")
    chain = await a_chain(hub)
    gap = next(number for number in range(chain[0][0], chain[-1][-1]) if not any(number in ids for ids in chain))
    slipped_in = "INSERT INTO audit (id, entity, operation) OVERRIDING SYSTEM VALUE VALUES ({}, 'user', 'update')"
    await tamper(hub, slipped_in.format(gap))
    found = await audit.verify_all(hub)
    assert found.broken is not None
    assert (found.broken.row, found.broken.reason) == (gap, "the row was added later")


@pytest.mark.abuse("K4")
@pytest.mark.parametrize("shift", ["- interval '2 hours'", "+ interval '2 hours'"])
async def test_a_row_of_a_time_that_cannot_be_is_found(hub: ListeningHub, shift: str) -> None:
    await a_chain(hub)
    dated = "INSERT INTO audit (at, entity, operation) VALUES (clock_timestamp() {}, 'user', 'update')"
    await tamper(hub, dated.format(shift))
    await seal_all(hub)
    found = await audit.verify_all(hub)
    assert found.broken is not None
    assert found.broken.reason == "the time of the row cannot be"


async def test_what_is_not_committed_yet_is_not_passed_by(hub: ListeningHub) -> None:
    await audit.seal(hub)
    async with hub.pool.acquire() as db:
        slow = db.transaction()
        await slow.start()
        slow_user = await db.fetchval(
            "INSERT INTO users (email, full_name) VALUES ('slow@example.org', 'S') RETURNING id"
        )
        quick = await builders.make_user(hub)
        assert await audit.seal(hub) == 0
        assert await audit.seal(hub) == 0
        await slow.commit()
    while (await audit.verify(hub, VerifyAudit())).unsealed != 0:
        await audit.seal(hub)
    async with hub.pool.acquire() as db:
        ids = [row[0] for row in await db.fetch("SELECT unnest(ids) FROM audit_seals ORDER BY 1")]
        about = await db.fetch(
            "SELECT id FROM audit WHERE entity = 'user' AND entity_id IN ($1, $2)", slow_user, quick.id
        )
    assert {row[0] for row in about} <= set(ids)
    assert (await audit.verify_all(hub)).holds


async def test_what_was_rolled_back_leaves_a_gap_that_breaks_nothing(hub: ListeningHub) -> None:
    async with hub.pool.acquire() as db:
        failed = db.transaction()
        await failed.start()
        await db.execute("INSERT INTO users (email, full_name) VALUES ('gone@example.org', 'G')")
        await failed.rollback()
    await audit.seal(hub)
    await builders.make_user(hub)
    await seal_all(hub)
    found = await audit.verify_all(hub)
    assert (found.holds, found.unsealed) == (True, 0)


async def test_many_seal_at_once_and_every_entry_is_sealed_once(hub: ListeningHub) -> None:
    async def write() -> None:
        for _ in range(10):
            await builders.make_user(hub)
            await audit.seal(hub)

    await asyncio.gather(*(write() for _ in range(4)))
    await builders.make_user(hub)
    await seal_all(hub)
    async with hub.pool.acquire() as db:
        sealed = [row[0] for row in await db.fetch("SELECT unnest(ids) FROM audit_seals")]
        written = [row[0] for row in await db.fetch("SELECT id FROM audit ORDER BY id")]
    assert sorted(sealed) == written
    found = await audit.verify_all(hub)
    assert (found.holds, found.entries) == (True, len(written))


async def test_a_long_chain_is_checked_some_seals_at_a_time(hub: ListeningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "CHECKED_AT_ONCE", 2)
    await a_chain(hub, seals=5)
    first = await audit.verify(hub, VerifyAudit())
    assert (first.holds, first.held_to, first.next_seal) == (True, 2, 3)
    whole = await audit.verify_all(hub)
    assert (whole.held_to, whole.next_seal) == (5, None)


async def test_after_a_restore_into_another_cluster_sealing_goes_on(hub: ListeningHub) -> None:
    await a_chain(hub, seals=1)
    await builders.make_user(hub)
    async with as_owner(hub.pool) as db:
        # transactions are counted anew there, so this one is far in the future
        await db.execute("UPDATE audit_horizon SET last_id = last_id + 1000000, until = '999999999999'")
    await seal_all(hub)
    assert (await audit.verify_all(hub)).unsealed == 0
