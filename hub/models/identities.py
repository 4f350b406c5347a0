"""Accounts at Google and Facebook: what may be asked to log in with them, to link them and to let them go."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from hub.models.base import Ask, Thing
from hub.models.users import Password
from hub.models.verifications import SecondFactorCode

Provider = Literal["google", "facebook"]
# RFC 7636 and what makes a nonce worth its name.
Verifier = Annotated[SecretStr, Field(min_length=43, max_length=128, description="The PKCE code verifier (RFC 7636).")]
Nonce = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{16,255}$"), Field(examples=["n-0S6_WzA2Mj-8GvXq1"])]
RedirectUri = Annotated[
    str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,480}$"), Field(examples=["https://app.example.org/back"])
]


class Social(Thing):
    """Somewhere people can have an account to log in with; a browser begins at `start_url`."""

    provider: Provider
    title: str
    start_url: str


class Socials(Thing):
    """With whose accounts one can log in here; empty when the operator has set up none."""

    items: list[Social]


class NameProvider(Ask):
    """Google or Facebook."""

    provider: Provider


class SocialLogIn(NameProvider):
    """An authorization code that a client of its own has fetched with PKCE and a nonce; it works once."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: SecretStr = Field(min_length=1, max_length=2000)
    code_verifier: Verifier
    nonce: Nonce = Field(description="What the authorization request named as its nonce.")
    redirect_uri: RedirectUri = Field(description="What the authorization request named as its redirect_uri.")
    totp_code: SecondFactorCode | None = None


class SocialSecondFactor(NameProvider):
    """What was answered with `second_factor_needed`, and the code of the second factor."""

    model_config = ConfigDict(hide_input_in_errors=True)

    challenge: SecretStr = Field(max_length=2000)
    totp_code: SecondFactorCode


class LinkIdentity(SocialLogIn):
    """An authorization code, and the password of the account here that the one elsewhere shall open."""

    model_config = ConfigDict(hide_input_in_errors=True)

    password: Password | None = Field(
        default=None, description="Required if the account has one; else log in right before."
    )


class AskToLink(Ask):
    """The password, before a browser is sent to link an account elsewhere."""

    model_config = ConfigDict(hide_input_in_errors=True)

    password: Password | None = Field(
        default=None, description="Required if the account has one; else log in right before."
    )
    totp_code: SecondFactorCode | None = None


class Redirect(Thing):
    """Where the browser has to go next."""

    url: str


class Identity(Thing):
    """An account elsewhere that opens one's account here."""

    provider: Provider
    email: str | None = Field(description="As the provider last told it; it decides nothing here.")
    linked_at: datetime
    last_used_at: datetime | None


class Identities(Thing):
    """The accounts elsewhere that open one's account here, and whether a password does too."""

    items: list[Identity]
    has_password: bool
