"""People, their logins and tokens: what may be asked, and how they see themselves."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from hub.models.base import Ask, CurrencyCode, Day, Line, Name, Paging, Text, Thing
from hub.models.fields import Zone
from hub.models.verifications import SecondFactorCode

LONGEST_EMAIL = 254
# Letters of any script, but nothing that needs quotes: quoted addresses exist in RFC 5321 and in tests only.
_LOCAL_PART = re.compile(r'[^\s"(),:;<>@\[\\\].]+(\.[^\s"(),:;<>@\[\\\].]+)*')
_DOMAIN_LABEL = re.compile(r"(?!-)[^\x00-,./:-@\[-`{-\x7f]{1,63}(?<!-)")
# Marks and letters that draw nothing: two addresses that look alike must not be two accounts.
_DRAWN_AS_NOTHING = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Alphabets with letters that look the same; whole words of one of them are what people write.
_LOOK_ALIKE = ("ARMENIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "GREEK", "LATIN")
_NOTHING_VISIBLE = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs")
_PHONE = re.compile(r"\+?[0-9]{6,15}")


def normal_email(given: str) -> str:
    """Write an e-mail address in the one way in which it is kept and compared."""
    email = unicodedata.normalize("NFKC", given).strip()
    # Lower case may compose anew, so that once more is needed for the same form every time.
    email = unicodedata.normalize("NFKC", email.lower())
    if any(unicodedata.category(character) in _NOTHING_VISIBLE for character in email):
        raise ValueError("must not contain spaces or invisible characters")
    local, at, domain = email.rpartition("@")
    labels = domain.split(".")
    if (
        not at
        or len(email.encode()) > LONGEST_EMAIL
        or len(local.encode()) > 64
        or not _LOCAL_PART.fullmatch(local)
        or _DRAWN_AS_NOTHING.search(email)
        or len(labels) < 2
        or any(len(_scripts(part)) > 1 for part in re.split(r"[.@]", email))
        or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels)
    ):
        raise ValueError("must be an e-mail address like name@example.org")
    return email


def _scripts(text: str) -> set[str]:
    """Tell by which of the alphabets that look alike a word is written."""
    names = (unicodedata.name(character, "").partition(" ")[0] for character in text)
    return {name for name in names if name in _LOOK_ALIKE}


def _normal_phone(given: str) -> str:
    phone = re.sub(r"[ ().\-/]", "", given)
    if not _PHONE.fullmatch(phone):
        raise ValueError("must be a telephone number like +855 12 345 678")
    return phone


Email = Annotated[
    str,
    StringConstraints(max_length=320),
    AfterValidator(normal_email),
    Field(json_schema_extra={"format": "email"}),
]
Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_normal_phone)]
# What makes a new password good is judged in hub.services.passwords; here is only what may be sent.
Password = Annotated[SecretStr, Field(max_length=1000)]
Language = Literal["en", "km", "zh"]
ChosenRole = Literal["customer", "facilitator", "vendor"]
ChoiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,49}$")]
NotificationChoices = Annotated[
    dict[ChoiceName, bool],
    Field(
        max_length=50,
        description="What to be told of, and how: `email` (unless false), `sms` (if true, and the number is verified); "
        "`booking.confirmed`, `booking.rescheduled`, `booking.reduced`, `booking.cancelled`, `booking.reminder`, "
        "`payment.completed`, `instalment.due`, `instalment.missed` (each unless false).",
    ),
]


class OwnStudio(Ask):
    """The studio in which a facilitator leads their sessions, a venue of their own."""

    name: Name
    timezone: Zone = "UTC"
    city: Line = ""


class Register(Ask):
    """A new account, with what its owner tells of themselves."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    password: Password = Field(description="At least 10 characters, at most 128 bytes.")
    full_name: Name
    role: ChosenRole = "customer"
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    language: Language = "en"
    currency: CurrencyCode = "USD"
    bio: Text | None = None
    specialisation: Line | None = None
    studio: OwnStudio | None = Field(
        default=None, description="For facilitators; without one, their first session opens a studio under their name."
    )


class LogIn(Ask):
    """An e-mail address, also accepted under the name username, its password, and the second factor if there is one."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email | None = None
    username: Email | None = None
    password: Password
    totp_code: SecondFactorCode | None = None


class Refresh(Ask):
    """A refresh token; it works once, and its answer brings the next."""

    model_config = ConfigDict(hide_input_in_errors=True)

    refresh_token: Annotated[SecretStr, Field(max_length=500)]


class ChangeMe(Ask):
    """What changes about oneself; what is not sent stays, and null empties what may be empty."""

    full_name: Name | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    birth_date: Day | None = None
    gender: Line | None = None
    bio: Text | None = None
    specialisation: Line | None = None
    language: Language | None = None
    currency: CurrencyCode | None = None
    notification_choices: NotificationChoices | None = None

    @field_validator("full_name", "language", "currency", "notification_choices", mode="before")
    @classmethod
    def _is_never_empty(cls, value: object) -> object:
        if value is None:
            raise ValueError("must not be null")
        return value


class ListLogins(Paging):
    """Which page of one's own live logins."""


class NameLogin(Ask):
    """One of one's own logins, by its id."""

    login_id: UUID


class User(Thing):
    """A person as they see themselves, with their roles and what these allow."""

    id: int
    email: str
    full_name: str
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    birth_date: date | None = None
    gender: str | None = None
    picture_url: str | None = None
    bio: str | None = None
    specialisation: str | None = None
    language: str
    currency: CurrencyCode
    notification_choices: dict[str, bool]
    is_student: bool
    loyalty_points: int
    email_verified: bool
    phone_verified: bool
    roles: list[str]
    permissions: list[str]
    created_at: datetime


class Login(Thing):
    """A device that is logged in."""

    id: UUID
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool = False


class Tokens(Thing):
    """A short-lived access token, the refresh token that fetches the next, and whose they are."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the kind of token, not a token
    expires_in: int = Field(description="Seconds until the access token expires.")
    user: User
