"""What is declared once is declared well: endpoints, facts and refusals."""

from __future__ import annotations

import inspect
import re

from handlers.describe.schemas import refusals
from handlers.endpoint import EVERYBODY, SIGNED_IN
from handlers.over_http import WITH_BODY
from handlers.table import facts, table
from handlers.watching import COMMANDS
from hub.live.hardening import RESERVED

NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
# Past in meaning though not in form.
IRREGULAR = ("booking.held", "booking.pending", "booking.checked_in", "booking.no_show", "booking.withdrawn")
AUDIENCES = {"venue", "desk", "user"}


def is_sentence(text: str | None) -> bool:
    first = (text or "").strip().partition("\n")[0]
    return bool(first) and first[0].isupper() and first.endswith((".", "?"))


def test_every_endpoint_says_in_a_sentence_what_it_does() -> None:
    for one in table().values():
        assert is_sentence(one.sentence), one.name
        assert NAME.fullmatch(one.name), one.name
        assert one.may in (EVERYBODY, SIGNED_IN) or re.fullmatch(r"[a-z]+:[a-z]+", one.may), one.name


def test_every_answer_and_ask_is_a_model_with_a_sentence() -> None:
    for one in table().values():
        for model in (one.ask, one.answer if one.answer is not type(None) else None):
            if model is not None:
                assert is_sentence(inspect.getdoc(model)), f"{one.name}: {model}"


def test_every_fact_is_past_and_has_one_audience_or_each_its_own_event() -> None:
    for name, event in facts().items():
        assert NAME.fullmatch(name), name
        assert name.endswith("ed") or name in IRREGULAR, name
        assert is_sentence(event.__doc__), name
        assert event.audience, name
        assert set(event.audience) <= AUDIENCES, name
        # A public event next to a private one would carry the private one's data.
        assert "venue" not in event.audience or event.audience == ("venue",), name
        assert inspect.getdoc(event.data_model()), name


def test_endpoints_tell_only_facts_that_exist_and_only_writes_tell() -> None:
    for one in table().values():
        assert set(one.tells) <= set(facts()), one.name
        assert not one.tells or one.method != "GET", one.name


def test_every_fact_is_told_by_something() -> None:
    told = {name for one in table().values() for name in one.tells}
    # What time brings about, jobs tell.
    assert set(facts()) - told <= {"booking.expired", "escrow.released", "points.changed"}


def test_names_of_commands_facts_and_the_wire_never_meet() -> None:
    commands = [one.name for one in table().values() if one.over_socket] + list(COMMANDS)
    assert len(commands) == len(set(commands))
    assert not set(commands) & set(facts())
    assert not (set(commands) | set(facts())) & RESERVED


def test_every_refusal_has_its_own_code_and_a_sentence() -> None:
    codes = [one.code for one in refusals()]
    assert len(codes) == len(set(codes))
    for one in refusals():
        assert is_sentence(one.__doc__), one
        assert re.fullmatch(r"[a-z][a-z_]*", one.code), one


def test_what_moves_money_or_places_can_be_repeated_safely() -> None:
    for one in table().values():
        if one.subject in ("holds", "bookings") and one.method in WITH_BODY:
            assert one.repeatable, one.name
        assert not one.repeatable or one.may != EVERYBODY, one.name


def test_every_refusal_that_a_person_can_meet_has_an_address_of_its_own() -> None:
    paths = [(one.method, one.path) for one in table().values()]
    assert len(paths) == len(set(paths))
