import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hub.errors import Invalid
from hub.services import passwords
from hub.settings import Settings

SETTINGS = Settings(data=Path("unused"), secret="only-for-tests-" + "x" * 32, env="test", password_memory_kb=64)
ANA = "ana.reis@example.org"


@pytest.mark.parametrize(
    "good",
    [
        "correct horse",
        "Zwölf Boxkämpfer",
        "ភាសាខ្មែរ ល្អណាស់",
        "tab\tin the middle",
        "x" * 128,
        "1029384756",
        " " * 9 + "x",
    ],
)
def test_a_long_uncommon_password_of_any_script_is_good(good: str) -> None:
    passwords.judge(good, ANA)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "at least 10"),
        ("short", "at least 10"),
        ("x" * 9, "at least 10"),
        ("ﬃﬃ", "at least 10"),
        ("x" * 129, "at most 128 bytes"),
        ("é" * 65, "at most 128 bytes"),
        ("\ufdfa" * 20, "at most 128 bytes"),
        (ANA, "e-mail"),
        (ANA.upper(), "e-mail"),
        ("password123", "commonest"),
        ("QwertyUiop", "commonest"),
        ("１２３４５６７８９０", "commonest"),  # noqa: RUF001 - full-width digits are what is tested
    ],
)
def test_a_weak_or_endless_password_is_refused_with_the_reason(bad: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        passwords.judge(bad, ANA)
    (error,) = refusal.value.details["errors"]
    assert error["field"] == "password"
    assert why in error["message"]


def test_the_part_before_the_at_sign_is_no_password() -> None:
    with pytest.raises(Invalid):
        passwords.judge("Anastasia.Reis", "anastasia.reis@example.org")


async def test_only_the_right_password_matches() -> None:
    kept = await passwords.hashed(SETTINGS, "correct horse")
    assert kept.startswith("$argon2id$")
    assert "correct" not in kept
    assert await passwords.matches(SETTINGS, kept, "correct horse")
    for wrong in ("correct hors", "correct horse ", "Correct horse", "", "\x00", "\ud800"):
        assert not await passwords.matches(SETTINGS, kept, wrong)


async def test_the_same_password_has_another_hash_each_time() -> None:
    assert await passwords.hashed(SETTINGS, "correct horse") != await passwords.hashed(SETTINGS, "correct horse")


async def test_a_password_is_the_same_however_a_keyboard_writes_its_letters() -> None:
    kept = await passwords.hashed(SETTINGS, "Zwölf Boxkämpfer")
    assert await passwords.matches(SETTINGS, kept, "Zwo\u0308lf Boxka\u0308mpfer")


async def test_nothing_and_damaged_hashes_match_no_password() -> None:
    for kept in (None, "", "garbage", "$argon2id$v=19$m=64,t=2,p=1$AAAA"):
        assert not await passwords.matches(SETTINGS, kept, "correct horse")


async def test_a_hash_of_other_costs_still_matches_and_is_known_to_be_outdated() -> None:
    kept = await passwords.hashed(SETTINGS, "correct horse")
    stronger = replace(SETTINGS, password_memory_kb=128)
    assert not passwords.is_outdated(SETTINGS, kept)
    assert passwords.is_outdated(stronger, kept)
    assert await passwords.matches(stronger, kept, "correct horse")


async def test_the_event_loop_runs_on_while_passwords_are_hashed() -> None:
    slow = replace(SETTINGS, password_memory_kb=65_536)
    hashing = asyncio.gather(*(passwords.hashed(slow, "correct horse") for _ in range(3)))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0.001)
    await hashing
    assert turns > 10
