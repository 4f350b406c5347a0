"""Doors of a venue's staff, and of the invitations to join it."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.base import Page
from hub.models.staff import (
    ChangeColleague,
    Colleague,
    Invitation,
    Invite,
    Invited,
    ListInvitations,
    ListStaff,
    NameColleague,
    NameInvitation,
    ShowInvitation,
)
from hub.services import invitations, staff


@endpoint("staff.list", "GET /venues/{venue_id}/staff")
async def listed(call: Call, ask: ListStaff) -> Page[Colleague]:
    """List who works at a venue, its owner first; for its owner and its managers."""
    return await staff.listed(call.hub, call.actor, ask)


@endpoint("staff.change", "PATCH /venues/{venue_id}/staff/{user_id}")
async def change(call: Call, ask: ChangeColleague) -> Colleague:
    """Move somebody between the desk and management; only the owner makes managers."""
    return await staff.change(call.hub, call.actor, ask)


@endpoint("staff.remove", "DELETE /venues/{venue_id}/staff/{user_id}", status=204)
async def remove(call: Call, ask: NameColleague) -> None:
    """Let somebody work at a venue no longer, or leave it yourself; the owner stays."""
    await staff.remove(call.hub, call.actor, ask)


@endpoint("invitations.list", "GET /venues/{venue_id}/staff/invitations")
async def invited(call: Call, ask: ListInvitations) -> Page[Invitation]:
    """List a venue's invitations that wait for their answer."""
    return await invitations.listed(call.hub, call.actor, ask)


@endpoint("invitations.create", "POST /venues/{venue_id}/staff/invitations", status=201)
async def invite(call: Call, ask: Invite) -> Invitation:
    """Invite somebody by mail to work at a venue; a newer invitation to the same address voids the older."""
    return await invitations.invite(call.hub, call.actor, ask)


@endpoint("invitations.withdraw", "DELETE /venues/{venue_id}/staff/invitations/{invitation_id}", status=204)
async def withdraw(call: Call, ask: NameInvitation) -> None:
    """Withdraw an invitation; its token is worthless at once."""
    await invitations.withdraw(call.hub, call.actor, ask)


@endpoint("invitations.show", "POST /invitations/show", may=EVERYBODY)
async def show(call: Call, ask: ShowInvitation) -> Invited:
    """Read what an invitation is to, by the token that came with it."""
    return await invitations.show(call.hub, call.actor, ask)


@endpoint("invitations.accept", "POST /invitations/accept")
async def accept(call: Call, ask: ShowInvitation) -> Colleague:
    """Accept an invitation, logged in with the address it was sent to; it works once."""
    return await invitations.accept(call.hub, call.actor, ask)
