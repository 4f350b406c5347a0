"""The second factor: six digits that an authenticator shows, and recovery codes for when it is lost."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from hub.models.base import Ask, Thing
from hub.models.users import Password
from hub.models.verifications import Code, SecondFactorCode


class SecondFactor(Thing):
    """Whether logging in asks for a second factor."""

    is_on: bool
    is_required: bool = Field(description="Whether the hub asks it of everybody with these roles.")
    recovery_codes_left: int


class AskSecondFactor(Ask):
    """The password, before an authenticator is set up."""

    model_config = ConfigDict(hide_input_in_errors=True)

    password: Password


class Enrolment(Thing):
    """What an authenticator needs to know; nothing is asked for until a first code has confirmed it."""

    secret: str = Field(description="In base 32, to be typed where no camera is.")
    uri: str
    qr_svg: str = Field(description="The address as a QR code, an SVG document.")


class ConfirmSecondFactor(Ask):
    """The first code that the authenticator shows."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: Code


class RecoveryCodes(Thing):
    """Ten codes, each of which works once in place of the authenticator; they are shown this once."""

    recovery_codes: list[str]


class EndSecondFactor(Ask):
    """The password and a code, to log in without a second factor again or for new recovery codes."""

    model_config = ConfigDict(hide_input_in_errors=True)

    password: Password
    code: SecondFactorCode
