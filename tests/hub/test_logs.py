"""Logs: one JSON line each, whatever is in it, and no word that is nobody's business."""

from __future__ import annotations

import logging

import asyncpg
import pytest
import structlog
from pydantic import BaseModel

from hub import logs
from hub.jobs import runner
from tests.doors import Http, ListeningHub, Log, People

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjY2VzcyJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLWlzLWhlcmU"
WORD = "canary"
REFRESH = "0123456789abcdef0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.abuse("K5")
@pytest.mark.parametrize(
    "nasty",
    [
        'x\n{"event": "request", "status": 200}',
        "x\r\nforged",
        "\x1b[31mred\x1b[0m\x07",
        "\x00\x08\x7f\x9b",
        "line\u2028separator\u0085next",
        '", "user_id": 1, "x": "',
        "\ud800",
    ],
)
def test_nothing_that_is_logged_can_begin_a_line_of_its_own(log: Log, nasty: str) -> None:
    # A copy of pytest's own would go to whoever runs tests side by side, where half a character is too much.
    del logging.root.handlers[1:]
    structlog.get_logger().warning(nasty, path=nasty, **{nasty: nasty})
    logging.getLogger("somebody.else").error("they said %s", nasty)
    assert len(log.lines()) == 2
    assert log.getvalue().count("\n") == 2
    assert all(character == "\n" or 32 <= ord(character) < 127 for character in log.getvalue())
    assert "user_id" not in log.lines()[0]


@pytest.mark.abuse("K5")
@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        REFRESH,
        f"Bearer {JWT}",
        "Basic YW5hOmNhbmFyeQ==",
        "postgresql://hub:canary-password@db.example.org/hub",
        "https://example.org/reset?token=canary-token&x=1",
        "https://example.org/auth/google/callback?code=canary-code&state=canary-state",
        "password=canary",
        '{"password": "canary", "new_password": "canary"}',
        "{'refresh_token': 'canary'}",
        "write to ana.canary@example.org, please",
        "call +351 910 000 001",
        "duplicate key value\nDETAIL:  Key (email)=(canary@example.org) already exists.",
    ],
)
def test_secrets_and_addresses_are_hidden_in_any_text(log: Log, secret: str) -> None:
    structlog.get_logger().info(f"before {secret} after", detail=secret, nested={"list": [secret]})
    logging.getLogger("somebody.else").info("before %s after", secret)
    for word in ("canary", "910 000", JWT, REFRESH, "YW5hOm"):
        assert word not in log.getvalue()
    assert "before" in log.getvalue()


@pytest.mark.abuse("K5")
def test_fields_of_these_names_are_hidden_whatever_they_say(log: Log) -> None:
    names = [
        *(
            "password",
            "new_password",
            "access_token",
            "refresh_token",
            "Authorization",
            "Cookie",
            "set-cookie",
            "secret",
        ),
        *("totp_code", "otp", "recovery_codes", "email", "phone", "full_name", "birth_date", "guest_details", "notes"),
        *("to", "recipient", "api_key", "client_secret"),
    ]
    structlog.get_logger().info(
        "x", code="123456", **dict.fromkeys(names, "canary"), nested={"deep": {"email": "canary"}}
    )
    [line] = log.lines()
    assert "canary" not in log.getvalue()
    assert "123456" not in log.getvalue()
    assert all(line[name] == logs.REDACTED for name in names)


def test_what_helps_to_understand_is_kept(log: Log) -> None:
    structlog.get_logger().info(
        "request", method="GET", path="/api/v1/venues/7", status=404, milliseconds=1.5, user_id=7
    )
    structlog.get_logger().info("command", outcome="not_found", code="not_found", request_id="abcdef0123456789")
    first, second = log.lines()
    assert {
        "method": "GET",
        "path": "/api/v1/venues/7",
        "status": 404,
        "milliseconds": 1.5,
        "user_id": 7,
    }.items() <= first.items()
    assert first["level"] == "info"
    assert first["timestamp"].endswith("Z")
    assert (second["code"], second["request_id"]) == ("not_found", "abcdef0123456789")


async def test_what_the_database_and_pydantic_quote_is_hidden(log: Log, hub: ListeningHub) -> None:
    class Shy(BaseModel):
        number: int

    async with hub.pool.acquire() as db:
        for _ in range(2):
            try:
                await db.execute("INSERT INTO users (email, full_name) VALUES ($1, $2)", WORD, WORD)
            except asyncpg.PostgresError:
                logging.getLogger("hub.jobs").exception("it failed")
    try:
        Shy.model_validate({"number": WORD})
    except ValueError:
        structlog.get_logger().exception("it failed")
    assert len(log.lines()) == 2
    assert "UniqueViolationError" in log.lines()[0]["exception"]
    assert WORD not in log.getvalue()


@pytest.mark.abuse("K5")
async def test_a_request_leaves_one_line_with_its_id_and_who_asked(log: Log, http: Http, people: People) -> None:
    person = await people.customer()
    headers = {"X-Request-Id": "my-request-0002"}
    await http.get("/me", as_=person, headers=headers)
    await http.get("/bookings/987654", as_=person, query={"q": "canary", "token": "canary-token"})
    await http.get("//x%0A%7B%22event%22%3A%22forged%22%7D%1B%5B31m")
    await http.post("/auth/login", {"email": "canary@example.org", "password": "canary-password"})
    await http.get("/venues", headers={"X-Request-Id": 'bad"\tid', "User-Agent": "canary-agent"})
    requests = [line for line in log.lines() if line["event"] == "request"]
    assert len(requests) == 5
    assert (requests[0]["request_id"], requests[0]["user_id"], requests[0]["asked"]) == (
        "my-request-0002",
        person.id,
        "me.read",
    )
    assert [line["status"] for line in requests] == [200, 422, 404, 401, 200]
    assert "user_id" not in requests[4]
    assert len({line["request_id"] for line in requests}) == 5
    assert "canary" not in log.getvalue()
    assert "forged" not in [line["event"] for line in log.lines()]
    assert person.token not in log.getvalue()


async def test_a_job_that_fails_tells_no_secrets(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(BaseException):
        pass

    async def fail() -> None:
        raise ValueError("smtp://hub:canary@mail.example.org refused ana@example.org")

    async def enough(_: float) -> None:
        raise Enough

    monkeypatch.setattr(runner.asyncio, "sleep", enough)
    with pytest.raises(Enough):
        await runner._keep_running("letters", fail)
    assert "the letters failed" in log.lines()[0]["event"]
    assert "canary" not in log.getvalue()
    assert "ana@" not in log.getvalue()
