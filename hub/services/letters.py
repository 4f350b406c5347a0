"""What mails and SMS say: their words in three languages, filled with plain facts.

A new one is an entry of static/templates/mail/words.json: which facts it needs, its subject and its sentences, where
`$name` stands for a fact. It is drawn by letter.{html,txt}.j2, or by a <template>.{html,txt}.j2 of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

Fact: TypeAlias = str | int | None

TEMPLATES = Path(__file__).parents[2] / "static" / "templates" / "mail"
WORDS: dict[str, dict[str, Any]] = orjson.loads((TEMPLATES / "words.json").read_bytes())


def refuse_unknown(kind: str, template: str, facts: Mapping[str, Fact]) -> None:
    """Refuse a template that is not there, or facts that are not exactly those it needs."""
    words = WORDS.get(template)
    if words is None or kind not in words["sent_by"]:
        raise LookupError(f"There is no {kind} {template!r}.")
    if set(facts) != set(words["facts"]):
        raise ValueError(f"The {kind} {template!r} needs the facts {words['facts']}, not {sorted(facts)}.")
    if not all(fact is None or isinstance(fact, str | int) for fact in facts.values()):
        raise TypeError("A fact is a text, a number or nothing.")
