"""One-time codes: where they are sent, and how they come back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, StringConstraints

from hub.models.base import Ask, Thing

Channel = Literal["email", "phone"]
CODE_DIGITS = 6


def _six_digits(given: SecretStr) -> SecretStr:
    code = "".join(given.get_secret_value().split())
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        raise ValueError(f"must be the {CODE_DIGITS} digits that were sent")
    return SecretStr(code)


Code = Annotated[
    SecretStr, Field(max_length=20, description="The six digits that were sent."), AfterValidator(_six_digits)
]
# A code of the authenticator, or one of the recovery codes in its place.
SecondFactorCode = Annotated[
    SecretStr, Field(max_length=40, description="Six digits of the authenticator, or a recovery code.")
]
LinkToken = Annotated[str, StringConstraints(max_length=200)]


class AskVerification(Ask):
    """What is to be verified: the e-mail address or the telephone number of one's account."""

    channel: Channel


class CheckVerification(Ask):
    """The code that came to one's address or number."""

    model_config = ConfigDict(hide_input_in_errors=True)

    channel: Channel
    code: Code


class Sent(Thing):
    """A code is under way."""

    to: str = Field(description="The address or number, mostly hidden.")
    expires_in: int = Field(description="Seconds for which the code is good.")
