from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.models.users import ChangeMe, Register, normal_email
from tests.doors import PASSWORD

BAD_EMAILS = [
    *["", "ana", "@", "ana@", "@example.org", "ana@example", "ana@@example.org", "ana@b@example.org", "ana@.org"],
    *["a na@example.org", "ana@exam ple.org", "ana\x00@example.org", "ana\n@example.org", "ana@-x.org", "ana@x-.org"],
    *["ana@x..org", "ana@org.", ".ana@example.org", "ana.@example.org", "a..na@example.org", "ana@ex_ample.org"],
    *['"ana"@example.org', "Ana <ana@example.org>", "ana@[127.0.0.1]", "ana@example.org\r\nBcc: all@example.org"],
    *["an\u200ba@example.org", "ana\u2063@example.org", "ana\ufe0f@example.org", "ana@exa\u00admple.org"],
    *["ana\ud800@example.org", "\u3164@example.org", "\ufdfa" * 60 + "@example.org", "a" * 65 + "@example.org"],
    *["\u0430na@example.org", "ana@ex\u0430mple.org", "an\u03b1@example.org", "ana@example.\u043erg"],
    *["a@" + "x" * 64 + ".org", "ana@" + "x." * 130 + "org", None, 5, True, ["ana@example.org"], {"email": "a@b.org"}],
]
BAD_PHONES = ["call me", "+" * 20, "12345", "+855 12 345 678 901 234 567", "\u0661" * 7, "+", "", 123456789]
BAD_NAMES = ["", " ", "x" * 201, "A\nB", "A\x00", "\ud800", None, 5]
NOT_ONES_OWN = {"id": 1, "is_admin": True, "email_verified": True, "loyalty_points": 1000, "status": "active"}
NOT_ONES_OWN |= {
    "token_version": 0,
    "created_at": "2020-01-01",
    "roles": ["admin"],
    "is_student": True,
    "__proto__": {},
}

BAD_IN_REGISTER: dict[str, list[Any]] = {
    "email": BAD_EMAILS,
    "full_name": BAD_NAMES,
    "phone": BAD_PHONES,
    "password": [None, 1234567890, ["x" * 12], "x" * 1001],
    "role": ["admin", "super_admin", None, ["customer"], ""],
    "language": ["fr", None],
    "currency": ["usd", "EURO", "", None],
    "bio": ["x" * 10_001, "\x07"],
    **{field: [value] for field, value in NOT_ONES_OWN.items()},
}
BAD_IN_CHANGE: dict[str, list[Any]] = {
    "full_name": BAD_NAMES,
    "phone": BAD_PHONES,
    "birth_date": [5, "1990-13-01", "1066-10-14", "yesterday"],
    "language": [None, "xx"],
    "currency": [None, "usd"],
    "notification_choices": [None, [], {"email": "perhaps"}, {"E-Mail": True}, {f"n{n}": True for n in range(51)}],
    "email": ["other@example.org"],
    "password": [PASSWORD],
    "role": ["admin"],
    "picture_url": ["http://evil.example/x.png"],
    **{field: [value] for field, value in NOT_ONES_OWN.items()},
}


def each(bad: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(field, value) for field, values in bad.items() for value in values]


@pytest.mark.abuse("B2", "D18")
@pytest.mark.parametrize(("field", "value"), each(BAD_IN_REGISTER))
def test_bad_input_for_an_account_is_refused_by_field(field: str, value: Any) -> None:
    good = {"email": "ana@example.org", "password": PASSWORD, "full_name": "Ana Reis"}
    Register.model_validate(good)
    with pytest.raises(ValidationError) as refusal:
        Register.model_validate(good | {field: value})
    assert {error["loc"][0] for error in refusal.value.errors()} == {field}
    assert PASSWORD not in str(refusal.value)


@pytest.mark.abuse("B2")
@pytest.mark.parametrize(("field", "value"), each(BAD_IN_CHANGE))
def test_what_may_not_be_changed_about_oneself_is_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        ChangeMe.model_validate({field: value})
    assert {error["loc"][0] for error in refusal.value.errors()} == {field}


@pytest.mark.abuse("D18")
@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("Ana.Reis@Example.ORG", "ana.reis@example.org"),
        ("  ana+hub@example.org\t", "ana+hub@example.org"),
        ("o'neil_{}|~@sub.example.museum", "o'neil_{}|~@sub.example.museum"),
        ("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
        ("Søren@BÜCHER.example", "søren@bücher.example"),
        ("So\u0308ren@bu\u0308cher.example", "sören@bücher.example"),
        ("ទេព@ខ្មែរ.example", "ទេព@ខ្មែរ.example"),
        ("ana\uff20example\uff0eorg", "ana@example.org"),
    ],
)
def test_an_address_has_one_form_however_it_is_written(given_: str, normal: str) -> None:
    assert normal_email(given_) == normal


@given(st.tuples(st.text(max_size=20), st.text(max_size=20)).map("@".join) | st.emails())
def test_the_normal_form_of_an_address_is_its_own_normal_form(text: str) -> None:
    try:
        normal = normal_email(text)
    except ValueError:
        return
    assert normal_email(normal) == normal
