"""People whose every personal value is a word that occurs nowhere else, and a record of who got to see which."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hub.core import Actor, Hub
from hub.models.users import ChangeMe, Register
from hub.services import accounts
from tests.doors import PASSWORD, People, Person

AUDIENCES = Path(__file__).with_name("audiences.txt")

FIELDS = (
    *("email", "full_name", "first_name", "last_name", "phone", "birth_date", "gender", "bio", "specialisation"),
    *("address", "device"),
)
GUESTS_FIELDS = ("notes", "guest_name", "guest_email", "guest_phone", "special_requests", "cancel_reason")
_LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass(frozen=True)
class Canary:
    """Whose value a word is, and which."""

    user_id: int
    # What this person is in the scene: customer, owner, desk, ...
    kind: str
    field: str


class CanaryPeople(People):
    """Registers people of whom every word is known."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.canaries: dict[str, Canary] = {}
        self._drawn = 0

    async def register(self, full_name: str, role: str) -> Person:
        """Register somebody who is called otherwise; the last of their names says what they are."""
        kind = full_name.rsplit(maxsplit=1)[-1].lower()
        values = {name: self.word(name) for name in FIELDS}
        name, email = self.called(full_name, values), f"{values['email']}@example.org"
        ask = Register.model_validate(
            {name: values[name] for name in ("first_name", "last_name", "phone", "bio", "specialisation")}
            | {"email": email, "password": PASSWORD, "full_name": name, "role": role}
        )
        tokens = await accounts.register(self.hub, Actor(address=values["address"], device=values["device"]), ask)
        actor = await accounts.actor_of(self.hub, tokens.access_token)
        more = {"birth_date": values["birth_date"], "gender": values["gender"]}
        await accounts.change_me(self.hub, actor, ChangeMe.model_validate(more))
        self.canaries |= {value: Canary(tokens.user.id, kind, name) for name, value in values.items()}
        return Person(tokens.user.id, email, name, tokens.access_token, actor)

    def called(self, full_name: str, values: dict[str, str]) -> str:
        """Name somebody by a word that nothing else has."""
        return f"{values['full_name'].title()} Canary"

    def word(self, name: str) -> str:
        """Draw a value for a field that nothing else has."""
        self._drawn += 1
        if name.endswith("phone"):
            return f"+3519{self._drawn:08}"
        if name == "birth_date":
            return str(date(1911, 1, 1) + timedelta(self._drawn))
        if name == "address":
            return f"2001:db8::ca:{self._drawn:04x}"
        number, letters = self._drawn, ""
        for _ in range(6):
            number, place = divmod(number, len(_LETTERS))
            letters += _LETTERS[place]
        return f"zq{letters}"

    def tell(self, person: Person, kind: str) -> dict[str, str]:
        """Draw what a guest tells with a booking."""
        values = {name: self.word(name) for name in GUESTS_FIELDS}
        self.canaries |= {value: Canary(person.id, kind, name) for name, value in values.items()}
        return values

    def seen_in(self, text: str) -> Iterable[Canary]:
        """Find whose words stand in a text."""
        found = re.findall(r"zq[b-z]{6}|\+?3519\d{8}|19[1-4]\d-\d\d-\d\d|2001:db8::ca:[0-9a-f]{4}", text.lower())
        for value in set(found):
            known = self.canaries.get(value) or self.canaries.get(f"+{value}")
            if known is not None:
                yield known


@dataclass
class Record:
    """Who got to see which fields of whom, and where."""

    people: CanaryPeople
    seen: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def note(self, audience: str, user_ids: Collection[int | None], where: str, text: str) -> None:
        """Look for words of others in what somebody got."""
        for canary in self.people.seen_in(text):
            if canary.user_id not in user_ids:
                self.seen.setdefault((f"{canary.kind}.{canary.field}", audience), set()).add(where)

    def leaks(self, allowed: dict[str, set[str]]) -> list[str]:
        """Name what was seen by those whom the list does not name."""
        return [
            f"{what} was seen by {audience} in {', '.join(sorted(where))}"
            for (what, audience), where in sorted(self.seen.items())
            if audience not in allowed.get(what, set()) | allowed.get(_anybodys(what), set())
        ]

    def unseen(self, allowed: dict[str, set[str]]) -> list[str]:
        """Name what the list allows and nobody saw, so that it never allows more than there is."""
        return [
            f"{what} is not seen by {audience}"
            for what, audiences in allowed.items()
            for audience in sorted(audiences)
            if not any(
                (one, seer) == (what, audience) or (_anybodys(one), seer) == (what, audience) for one, seer in self.seen
            )
        ]

    def write(self) -> str:
        """Write what was seen as the list is written."""
        lines: dict[str, list[str]] = {}
        for what, audience in sorted(self.seen):
            lines.setdefault(what, []).append(audience)
        return "\n".join(f"{what}: {' '.join(audiences)}" for what, audiences in lines.items())


def _anybodys(what: str) -> str:
    return f"anybody.{what.partition('.')[2]}"


def allowed() -> dict[str, set[str]]:
    """Read who may see what of whom."""
    found: dict[str, set[str]] = {}
    for line in AUDIENCES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            what, _, audiences = line.partition(":")
            found[what] = set(audiences.split())
    return found


def guest_details(values: dict[str, str]) -> dict[str, Any]:
    """Say who comes, in the words drawn."""
    return {
        "full_name": values["guest_name"],
        "email": f"{values['guest_email']}@example.org",
        "phone": values["guest_phone"],
        "special_requests": values["special_requests"],
    }
