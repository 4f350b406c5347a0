"""Who works at a venue, and who is invited to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr

from hub.models.base import Ask, Id, Paging, Thing
from hub.models.users import Email

StaffRole = Literal["desk", "manager"]


class ListStaff(Paging):
    """Whose staff: a venue, by its id."""

    venue_id: Id


class NameColleague(Ask):
    """One person who works at a venue."""

    venue_id: Id
    user_id: Id


class ChangeColleague(NameColleague):
    """How far somebody's work at a venue reaches from now on."""

    role: StaffRole


class Colleague(Thing):
    """Somebody who works at a venue."""

    venue_id: int
    user_id: int
    full_name: str
    email: str
    role: Literal["owner", "manager", "desk"]
    since: datetime


class Invite(Ask):
    """Who is invited to work at a venue: at its desk, or as a manager who changes its inventory too."""

    venue_id: Id
    email: Email
    role: StaffRole = "desk"


class ListInvitations(Paging):
    """Which page of a venue's open invitations."""

    venue_id: Id


class NameInvitation(Ask):
    """One invitation of a venue."""

    venue_id: Id
    invitation_id: Id


class ShowInvitation(Ask):
    """The token that came with an invitation."""

    model_config = ConfigDict(hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(max_length=200)]


class Invitation(Thing):
    """An invitation that waits for its answer; the token itself only its receiver knows."""

    id: int
    venue_id: int
    email: str
    role: StaffRole
    invited_by: str = Field(description="The full name of who invites.")
    created_at: datetime
    expires_at: datetime


class Invited(Thing):
    """What an invitation is to, as its receiver sees it."""

    venue_id: int
    venue_name: str
    role: StaffRole
    email: str = Field(description="The address it was sent to; only the account with it can accept.")
    invited_by: str
    expires_at: datetime
