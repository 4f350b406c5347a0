"""What mails and SMS say: their words in three languages, filled with plain facts.

A new one is an entry of static/templates/mail/words.json: which facts it needs, its subject and its sentences, where
`$name` stands for a fact. It is drawn by letter.{html,txt}.j2, or by a <template>.{html,txt}.j2 of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, TypeAlias

import css_inline
import orjson
from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

Fact: TypeAlias = str | int | None
Line: TypeAlias = tuple[str, str]

TEMPLATES = Path(__file__).parents[2] / "static" / "templates" / "mail"
_READ: dict[str, dict[str, Any]] = orjson.loads((TEMPLATES / "words.json").read_bytes())
COMMON, WORDS = _READ["common"], _READ["letters"]

LONGEST_FACT = 300
# What turns the direction of writing could show one address and lead to another.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Where mail programs see a link: before a letter after a dot, in front of two slashes, and around an at sign.
_LINKS = re.compile(r"(?<=\S)[.\u3002\uff0e\uff61](?=[^\W\d_])|:(?=//)|(?<=\S)@(?=\S)")
_WORD_JOINER = "\u2060"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it is read."""

    subject: str
    text: str
    html: str


class _Sandbox(ImmutableSandboxedEnvironment):
    """Templates that can print what they are given, and reach into nothing."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return False


_templates = _Sandbox(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(("html.j2",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_inliner = css_inline.CSSInliner(load_remote_stylesheets=False)


def refuse_unknown(kind: str, template: str, facts: Mapping[str, Fact]) -> None:
    """Refuse a template that is not there, or facts that are not exactly those it needs."""
    words = WORDS.get(template)
    if words is None or kind not in words["sent_by"]:
        raise LookupError(f"There is no {kind} {template!r}.")
    if set(facts) != set(words["facts"]):
        raise ValueError(f"The {kind} {template!r} needs the facts {words['facts']}, not {sorted(facts)}.")
    if not all(fact is None or isinstance(fact, str | int) for fact in facts.values()):
        raise TypeError("A fact is a text, a number or nothing.")


def mail(template: str, language: str, facts: Mapping[str, Fact], *, site: str, lines: Sequence[Line] = ()) -> Letter:
    """Write a mail; links lead to the hub's own site only, and lines stand as a table below its main sentence."""
    words, plain = WORDS[template], _plain(facts, site)
    told = {part: _filled(words[part], language, plain) if part in words else "" for part in ("main", "more", "button")}
    subject = _filled(words["subject"], language, plain)
    context = {
        **told,
        "language": language if language in words["main"] else "en",
        "subject": subject,
        "greeting": _filled(COMMON["greeting"], language, plain) if plain.get("name") else "",
        "code": plain.get("code", ""),
        "link": plain.get("link", ""),
        "lines": [(name, _word(value)) for name, value in lines],
        "foot": _filled(COMMON["foot"], language, {"site": site}),
        "site": site,
    }
    text = _templates.select_template([f"{template}.txt.j2", "letter.txt.j2"]).render(context)
    html = _templates.select_template([f"{template}.html.j2", "letter.html.j2"]).render(context)
    return Letter(subject, text.strip() + "\n", _inliner.inline(html))


def sms(template: str, language: str, facts: Mapping[str, Fact], *, site: str) -> str:
    """Write an SMS: its own sentence where the words have one, else the main sentence."""
    words = WORDS[template]
    return _filled(words.get("sms", words["main"]), language, _plain(facts, site))


def common(name: str, language: str) -> str:
    """Say one of the words that letters share."""
    return _filled(COMMON[name], language, {})


def _filled(said: Mapping[str, str], language: str, plain: Mapping[str, str]) -> str:
    # Where a language is wanting English stands in. Dollar templates know names only: no attributes, no formats.
    return Template(said.get(language, said["en"])).substitute(plain)


def _plain(facts: Mapping[str, Fact], site: str) -> dict[str, str]:
    return {name: _fact(name, fact, site) for name, fact in facts.items()}


def _fact(name: str, fact: Fact, site: str) -> str:
    if fact is None:
        return ""
    if name == "link":
        link = str(fact)
        if not link.startswith(f"{site}/") or re.search(r"[\s\x00-\x1f\x7f]", link):
            raise ValueError("A link in a letter leads to the hub's own site.")
        return link
    return _one_line(str(fact)) if name.endswith("email") else _word(str(fact))


def _word(given: str) -> str:
    """Write a text of somebody's own so that no mail program makes a link or a header of it."""
    return _LINKS.sub(_break, _one_line(given))


def _break(found: re.Match[str]) -> str:
    return f"{found[0]}{_WORD_JOINER}"


def _one_line(given: str) -> str:
    turned = _TURNS.sub("", given)
    spaced = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs") else one for one in turned)
    line = " ".join(spaced.split())
    return line if len(line) <= LONGEST_FACT else f"{line[: LONGEST_FACT - 1]}…"
