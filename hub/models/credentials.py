"""Passwords and e-mail addresses: forgotten, set anew, changed."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, SecretStr

from hub.models.base import Ask, Thing
from hub.models.users import Email, Password, Phone
from hub.models.verifications import Code, SecondFactorCode


class ForgotPassword(Ask):
    """Whose password is forgotten, by e-mail address or verified telephone number, and where the code shall go."""

    email: Email | None = None
    phone: Phone | None = None
    channel: Literal["email", "sms"] = "email"


class UnderWay(Thing):
    """If there is such an account, a code and a link are on their way to it; the answer is the same if there is not."""

    expires_in: int = Field(description="Seconds for which a code would be good.")
    link_expires_in: int = Field(description="Seconds for which a link would be good; only mail carries one.")


class ResetPassword(Ask):
    """A new password, with the token of the link, or the code and the address or number it was asked for."""

    model_config = ConfigDict(hide_input_in_errors=True)

    token: SecretStr | None = Field(default=None, max_length=200, description="The token of the link.")
    email: Email | None = None
    phone: Phone | None = None
    code: Code | None = None
    password: Password = Field(description="At least 10 characters, at most 128 bytes.")
    totp_code: SecondFactorCode | None = None


class ChangePassword(Ask):
    """The password as it is and as it shall be; all other logins end."""

    model_config = ConfigDict(hide_input_in_errors=True)

    current_password: Password
    password: Password = Field(description="At least 10 characters, at most 128 bytes.")
    totp_code: SecondFactorCode | None = None


class ChangeEmail(Ask):
    """The e-mail address that one's account shall have, proved by the password."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: Email
    password: Password
    totp_code: SecondFactorCode | None = None


class ConfirmEmail(Ask):
    """The code that came to the new address."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: Code
