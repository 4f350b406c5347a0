"""The audit: who changed what, from where, and whether the record is whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from hub.models.base import Ask, Id, Line, Moment, Paging, Thing

AuditOperation = Literal["create", "update", "delete", "denied"]


class AuditEntry(Thing):
    """One change, or one refusal; what tells of a person is `***`."""

    id: int
    at: datetime
    actor_id: int | None = Field(default=None, description="Nobody when the hub itself acted, or a guest.")
    actor_name: str | None = None
    impersonator_id: int | None = Field(default=None, description="The super admin who acted as this person.")
    address: str | None = Field(default=None, description="From where; for those who may read the whole audit.")
    asked: str = Field(description="The endpoint or job by which it was asked.")
    request_id: str | None = None
    entity: str
    entity_id: int | None = None
    venue_id: int | None = None
    operation: AuditOperation
    before: dict[str, Any] | None = Field(default=None, description="Of an update only what has changed.")
    after: dict[str, Any] | None = None


class ListAudit(Paging):
    """Which changes: with a venue_id that venue's, for its owner; the newest 10,000 that fit, newest first."""

    venue_id: Id | None = None
    entity: Line | None = Field(default=None, description="What was changed: user, venue, booking, ...")
    entity_id: Id | None = None
    actor_id: Id | None = Field(default=None, description="Who changed it, or acted as somebody else.")
    operation: AuditOperation | None = None
    asked: Line | None = Field(default=None, description="The endpoint or job by which it was asked.")
    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = Field(default=None, description="Before this.")


class BookingLog(Thing):
    """What happened to a booking, oldest first."""

    items: list[AuditEntry]


class VerifyAudit(Ask):
    """From which seal on to look."""

    from_seal: Id = 1


class BrokenLink(Thing):
    """The first link of the chain that does not hold."""

    seal: int
    row: int | None = Field(default=None, description="The entry to blame; none when it is the seal itself.")
    reason: str


class Verification(Thing):
    """Whether the audit is as it was written."""

    holds: bool
    held_to: int = Field(description="The last seal that holds.")
    entries: int = Field(description="How many entries were looked at.")
    next_seal: int | None = Field(default=None, description="Where to go on; none when all was looked at.")
    unsealed: int = Field(description="Entries that are not sealed yet.")
    head: str | None = Field(default=None, description="The newest seal's hash; kept elsewhere it proves more.")
    broken: BrokenLink | None = None
