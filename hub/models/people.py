"""People as those see them who administer accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from hub.models.base import Ask, CurrencyCode, Id, Line, Name, Paging, Text, Thing
from hub.models.fields import Stays
from hub.models.roles import RoleCode
from hub.models.users import Email, Language, Password, Phone, User

Status = Literal["active", "suspended"]
RoleCodes = Annotated[list[RoleCode], Field(min_length=1, max_length=20, description="Codes of roles.")]
Reason = Annotated[Line, StringConstraints(min_length=1)]


class ListPeople(Paging):
    """Which people: by a part of name, e-mail address or telephone number, by role and by status."""

    q: Line | None = None
    role: RoleCode | None = None
    status: Status | None = None
    sort: Literal["newest", "oldest", "name", "email"] = "newest"


class NamePerson(Ask):
    """One person, by their id."""

    user_id: Id


class CreatePerson(Ask):
    """A new account for somebody else; without a password they choose one themselves, over a mail."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    full_name: Name
    roles: RoleCodes = Field(default=["customer"])
    password: Password | None = None
    phone: Phone | None = None
    language: Language = "en"
    currency: CurrencyCode = "USD"


class ChangePerson(NamePerson):
    """What changes about a person; what is not sent stays. Their password and e-mail address are theirs to change."""

    full_name: Stays[Name] = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    bio: Text | None = None
    specialisation: Line | None = None
    language: Stays[Language] = None
    currency: Stays[CurrencyCode] = None
    is_student: Stays[bool] = None


class SuspendPerson(NamePerson):
    """Whose account is suspended, and why; the person is told."""

    reason: Reason


class SetRoles(NamePerson):
    """All roles that a person has from now on."""

    roles: RoleCodes


class Person(Thing):
    """A person as an admin sees them."""

    id: int
    email: str
    full_name: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    bio: str | None
    specialisation: str | None
    picture_url: str | None
    language: str
    currency: CurrencyCode
    is_student: bool
    email_verified: bool
    phone_verified: bool
    roles: list[str]
    rank: int = Field(description="The highest rank among their roles; whoever changes them must stand higher.")
    status: Status
    suspended_at: datetime | None
    suspension_reason: str | None
    last_seen_at: datetime | None = Field(description="When a device of theirs last logged in or refreshed.")
    created_at: datetime


class Acting(Thing):
    """A short access token to act as somebody else: it cannot be refreshed, and ends with one's own login."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the kind of token, not a token
    expires_in: int = Field(description="Seconds until the access token expires.")
    user: User
    impersonator_id: int
