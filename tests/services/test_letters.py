"""Letters say what the hub says: facts are words in them, never links, tags, headers or templates."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from hub.core import GUEST
from hub.errors import TooManyRequests
from hub.services import letters, mail
from hub.services.letters import WORDS, Fact
from tests.doors import ListeningHub
from tests.mailbox import code_for, letters_to, link_for

SITE = "https://book.example.org"
LANGUAGES = ("en", "km", "zh")


def facts_of(template: str) -> dict[str, Fact]:
    usual = {
        "link": f"{SITE}/page#token=abc",
        "code": "123456",
        "minutes": 10,
        "days": 7,
        "new_email": "new@example.org",
    }
    return {name: usual.get(name, f"the {name}") for name in WORDS[template]["facts"]}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "background")]

    @classmethod
    def of(cls, html: str) -> Tags:
        read = cls()
        read.feed(html)
        return read


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", WORDS)
def test_every_letter_is_complete_in_every_language(template, language):
    words, facts = WORDS[template], facts_of(template)
    assert all(set(words[part]) == set(LANGUAGES) for part in ("main", "subject") if "mail" in words["sent_by"])
    for kind in words["sent_by"]:
        letters.refuse_unknown(kind, template, facts)
    if "sms" in words["sent_by"]:
        text = letters.sms(template, language, facts, site=SITE)
        assert text
        assert "$" not in text
        assert "{" not in text
    if "mail" in words["sent_by"]:
        letter = letters.mail(template, language, facts, site=SITE)
        assert letter.subject
        assert "\n" not in letter.subject
        for part in (letter.text, letter.html):
            assert "$" not in part
            assert "{{" not in part
            assert SITE in part
        assert f'lang="{language}"' in letter.html
        assert "link" not in facts or Tags.of(letter.html).links == [facts["link"]]
        assert "button" not in words or set(words["button"]) == set(LANGUAGES)


def test_a_language_nobody_has_written_is_english():
    assert "Enter this code" in letters.mail("verify_email", "fr", facts_of("verify_email"), site=SITE).text


@pytest.mark.parametrize(
    ("letter", "facts"),
    [
        ("no_such_letter", {}),
        ("verify_phone", {"code": "1", "minutes": 1}),
        ("verify_email", {"name": "Ana"}),
        ("verify_email", facts_of("verify_email") | {"more": "x"}),
        ("verify_email", facts_of("verify_email") | {"name": {"a": "dict"}}),
    ],
)
async def test_a_letter_with_other_facts_is_never_enqueued(hub: ListeningHub, letter, facts):
    async with hub.work(GUEST) as work:
        with pytest.raises((LookupError, ValueError, TypeError)):
            await mail.send(work, "ana@example.org", letter, "en", facts)


INJECTED = (
    "{{ 7 * 7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{event.__init__.__globals__[settings]}",
    "${minutes}",
    "$code",
    "%(code)s",
    "#{7*7}",
    "{{ self._TemplateReference__context }}",
    "{{ site }}",
)


@pytest.mark.abuse("G4")
@pytest.mark.parametrize("injected", INJECTED)
def test_what_looks_like_a_template_in_a_fact_is_printed_as_it_is(injected):
    letter = letters.mail("verify_email", "en", facts_of("verify_email") | {"name": injected}, site=SITE)
    assert f"Hello {injected}," in letter.text.replace("\u2060", "")
    assert "49" not in letter.text
    assert "secret" not in letter.html
    subject = letters.mail("login_linked", "en", {"name": "Ana", "provider": injected}, site=SITE).subject
    assert injected in subject.replace("\u2060", "")


@pytest.mark.abuse("G4")
@pytest.mark.parametrize(
    "template",
    [
        "{{ greeting.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ lines.append(1) }}",
        "{{ '{0.__class__}'.format(greeting) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ greeting | attr('__class__') }}",
    ],
)
def test_even_a_template_reaches_into_nothing(template):
    with pytest.raises((SecurityError, UndefinedError)):
        letters._templates.from_string(template).render(greeting="Hello", lines=[])


@pytest.mark.abuse("G4")
def test_a_template_that_names_what_is_not_there_is_a_fault_and_no_empty_place():
    with pytest.raises(UndefinedError):
        letters._templates.from_string("{{ nothing }}").render()


@pytest.mark.abuse("J10")
@pytest.mark.parametrize(
    "name",
    [
        '<a href="https://evil.example">click</a>',
        "<img src=x onerror=alert(1)>",
        "</p><script>alert(1)</script>",
        "<style>@import url(https://evil.example)</style>",
        '" onmouseover="alert(1)',
        "<!-- ", "]]>", "&lt;b&gt;",
    ],
)  # fmt: skip
def test_a_name_is_no_html(name):
    told = {"inviter": name, "venue": name, "role": "desk", "link": f"{SITE}/invitation#token=x", "days": 7}
    harmless = told | {"inviter": "Ana", "venue": "Sala Norte"}
    plain = Tags.of(letters.mail("invitation", "en", harmless, site=SITE).html)
    attacked = Tags.of(letters.mail("invitation", "en", told, site=SITE).html)
    assert attacked.tags == plain.tags
    assert attacked.links == [f"{SITE}/invitation#token=x"]


# What mail programs make a link of where they find it in a text.
LINK = re.compile(r"https?://|\bwww\.\w|[\w-]\.(com|example|org|net|ru|xyz)\b|\w@\w", re.IGNORECASE)


@pytest.mark.abuse("J10")
@pytest.mark.parametrize(
    "name",
    [
        "You have won http://evil.example/claim",
        "HTTPS://EVIL.EXAMPLE",
        "www.evil.com",
        "Call evil.com now",
        "pay@evil.com",
        "mailto:pay@evil.com",
        "evil\u3002com www\uff0eevil\uff0ecom",
    ],
)
def test_no_mail_program_makes_a_link_of_a_name(name):
    told = {"inviter": name, "venue": name, "role": "desk", "link": f"{SITE}/invitation", "days": 7}
    letter = letters.mail("invitation", "en", told, site=SITE)
    for part in (letter.subject, letter.text, letter.html):
        assert not LINK.search(part.replace(f"{SITE}/invitation", "").replace(SITE, ""))
        assert "\u3002com" not in part


@pytest.mark.abuse("J10")
@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "https://book.example.org.evil.example/",
        "https://book.example.org@evil.example/",
        "javascript:alert(1)",
        "//evil.example/",
        f"{SITE}/x\r\nBcc: victim@example.org",
        f"{SITE}/x https://evil.example",
    ],
)
def test_a_link_leads_to_the_hub_alone(link):
    with pytest.raises(ValueError, match="own site"):
        letters.mail("reset_password", "en", facts_of("reset_password") | {"link": link}, site=SITE)


@pytest.mark.abuse("J10")
def test_no_turned_or_endless_name_hides_what_the_letter_says():
    turned = "Ana\u202egnp.exe\u2066\u2069\u200f"
    told = facts_of("invitation") | {"inviter": turned, "venue": "x" * 10_000}
    letter = letters.mail("invitation", "en", told, site=SITE)
    assert "Anagnp." in letter.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", letter.text + letter.html + letter.subject)
    assert len(letter.subject) < 400


def test_khmer_keeps_its_joiners_and_spaces_of_no_width():
    name = "សុខា\u200bលី\u200d"
    letter = letters.mail("verify_email", "km", facts_of("verify_email") | {"name": name}, site=SITE)
    assert name in letter.text


def test_a_letter_for_many_eyes_is_small_and_loads_nothing():
    letter = letters.mail("reset_password", "en", facts_of("reset_password"), site=SITE)
    read = Tags.of(letter.html)
    assert not {"script", "link", "img", "iframe", "object", "style", "form"} & set(read.tags)
    assert "url(" not in letter.html
    assert len(letter.html) < 20_000


async def test_tests_find_the_codes_and_links_that_people_are_sent(hub: ListeningHub):
    site = hub.settings.public_url
    async with hub.work(GUEST) as work:
        await mail.send(work, "ana@example.org", "verify_email", "en", facts_of("verify_email"))
        told = facts_of("reset_password") | {"link": f"{site}/reset#token=abc", "code": "654321"}
        await mail.send(work, "ana@example.org", "reset_password", "en", told)
        await mail.send_sms(work, "+85512345678", "verify_phone", "zh", {"code": "111111", "minutes": 10})
    assert await code_for(hub, "ana@example.org") == "654321"
    assert await code_for(hub, "+85512345678") == "111111"
    assert await link_for(hub, "ana@example.org") == f"{site}/reset#token=abc"
    assert [letter.channel for letter in await letters_to(hub)].count("sms") == 1


@pytest.mark.abuse("J9")
async def test_nobody_is_buried_in_letters_that_people_have_written(hub: ListeningHub, people):
    limited = type(hub)(replace(hub.settings, rate_limits=True), hub.pool, hub.publish)
    senders = [(await people.vendor(f"Vera {number}")).id for number in range(3)]

    async def ask(sender_id: int, to: str) -> bool:
        refused = None
        async with limited.work(GUEST) as work:
            try:
                await mail.refuse_flood(limited, work, sender_id, to)
            except TooManyRequests as refusal:
                refused = refusal
        assert refused is None or (refused.status, 0 < (refused.retry_after or 0) <= 86_400) == (429, True)
        return refused is None

    assert [await ask(senders[0], "Ana@example.org") for _ in range(4)] == [True] * 4
    # Whoever sends, and however the address is written.
    assert await ask(senders[1], "ana@Example.org")
    assert not await ask(senders[1], "ana@example.org")
    assert not await ask(senders[2], "ana@example.org")
    assert await ask(senders[2], "rui@example.org")
    sent = [await ask(senders[2], f"person{number}@example.org") for number in range(60)]
    assert sum(sent) < 50
    assert not sent[-1]
