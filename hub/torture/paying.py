"""P5: money adds up, always: whoever pays, fills wallets, cancels, calls money back, or tries to spend it twice."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from random import Random
from typing import Any

from hub.torture.asking import Answer, Asker, Person
from hub.torture.ground import Hall, hall, people, slot
from hub.torture.play import Play
from storage import torture

_PRICE = 1000
# So many bookings are paid at the same moment from a wallet that is enough for half of them.
_AT_ONCE = 6
_TOO_LITTLE = "a wallet spent twice at once"
# How the payer lets a payment end; what is told never, the hub finds out by itself.
_BUTTONS = ("pay", "pay", "duplicate", "lost", "fail")
_FINAL = ("completed", "failed", "cancelled")
# Whoever had taken a refund to send it may have died with PostgreSQL; a minute later somebody else takes it.
_SECONDS_TO_SEND = 100


async def add_up(play: Play) -> None:
    """Let clients pay by card and from wallets, in part, twice and too much, and cancel, while PostgreSQL is killed."""
    play.faults("PostgreSQL killed", _TOO_LITTLE)
    seconds = play.lasts(60, 6)
    await play.start(2)
    async with Asker(play.ports, play.chance) as asker:
        owner = (await people(asker, 1, "vendor"))[0]
        # Whoever pays for a room waits for others who do, so what is paid at once is of several.
        venue = await hall(asker, owner, rooms=2 * _AT_ONCE)
        guests = await people(asker, play.many(30, 8, "clients"))
        paying = _Paying(play, asker, venue)
        over = asyncio.Event()

        async def keep_paying(guest: Person) -> None:
            while not over.is_set():
                await paying.act(guest)

        acting = [asyncio.create_task(keep_paying(guest)) for guest in guests]
        await asyncio.sleep(seconds / 2)
        play.bit("PostgreSQL killed", bool(await play.servers.kill_postgres()))
        await play.servers.postgres.start()
        await asyncio.sleep(seconds / 2)
        over.set()
        await asyncio.gather(*acting)
        await play.reconnect()
        await paying.end()
        play.bit(_TOO_LITTLE, paying.done["wallet 409"])
        await paying.judge()


class _Paying:
    """What clients do with money, and what was acknowledged of it."""

    def __init__(self, play: Play, asker: Asker, venue: Hall) -> None:
        self.play, self.asker, self.venue = play, asker, venue
        self.chance = Random(play.chance.random())
        # By payment: whose it is, and where it is decided about.
        self.begun: dict[int, tuple[Person, str]] = {}
        self.acknowledged: set[int] = set()
        self.bookings: dict[int, list[int]] = {}
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._slots, self._keys = itertools.count(), itertools.count()

    async def act(self, guest: Person) -> None:
        """Do one thing, drawn by lot."""
        ways = [
            self._fill,
            self._pay_by_card,
            self._pay_from_wallet,
            self._spend_at_once,
            self._cancel,
            self._call_back,
        ]
        await self.chance.choices(ways, (20, 25, 20, 20, 14, 1))[0](guest)

    async def end(self) -> None:
        """Ask about every payment until it has come to its end, and let all that is owed be sent."""
        for payment_id, (guest, page) in self.begun.items():
            for _ in range(20):
                answer = await self._ask("check", f"/payments/{payment_id}/check", {}, guest)
                if answer.status != 200 or answer.data["status"] in _FINAL:
                    break
                await self.asker.press(page, "pay")
        for _ in range(_SECONDS_TO_SEND * 5):
            if not await torture.refunds_under_way(self.play.pool):
                break
            await asyncio.sleep(0.2)

    async def judge(self) -> None:
        """Judge that what was acknowledged is there, and that our books are the provider's."""
        self.play.must("no request met a fault", not self.faults, "; ".join(self.faults[:3]))
        found = await torture.payments(self.play.pool, list(self.acknowledged))
        lost = [one for one in self.acknowledged if found.get(one) != "completed"]
        self.play.must(
            "every acknowledged payment is there",
            not lost and bool(self.acknowledged),
            f"{len(lost)} of {len(self.acknowledged)} lost; {dict(sorted(self.done.items()))}",
        )
        owed = await torture.refunds_under_way(self.play.pool)
        self.play.must("every refund has arrived", not owed, f"{owed} are under way" * bool(owed))
        theirs, ours = await torture.books_of_sandbox(self.play.pool)
        self.play.must("the provider's books are ours", theirs == ours, f"{theirs} there, {ours} here")

    async def _fill(self, guest: Person) -> None:
        amount = _PRICE * self.chance.randint(1, 5)
        body = {"gateway": "sandbox", "amount": amount, "currency": "EUR"}
        await self._begin(guest, "top-up", "/wallet/top-ups", body, self.chance.choice(_BUTTONS))

    async def _pay_by_card(self, guest: Person) -> None:
        booking = await self._unpaid(guest)
        if booking is None:
            return
        body: dict[str, Any] = {"booking_id": booking, "gateway": "sandbox"}
        if self.chance.random() < 0.3:
            body["amount"] = self.chance.randint(1, _PRICE)
        # Now and then the same is paid by two at once: what comes second is given back.
        times = 2 if self.chance.random() < 0.2 else 1
        await asyncio.gather(
            *(self._begin(guest, "card", "/payments", body, self.chance.choice(_BUTTONS)) for _ in range(times))
        )

    async def _pay_from_wallet(self, guest: Person) -> None:
        booking = await self._unpaid(guest)
        if booking is not None:
            await self._spend(guest, booking, self.chance.choice((None, self.chance.randint(1, _PRICE))))

    async def _spend_at_once(self, guest: Person) -> None:
        """Have money for half of what is then paid at once."""
        body = {"gateway": "sandbox", "amount": _PRICE * _AT_ONCE // 2, "currency": "EUR"}
        await self._begin(guest, "top-up", "/wallet/top-ups", body, "pay")
        booked = [await self._book(guest) for _ in range(_AT_ONCE)]
        await asyncio.gather(*(self._spend(guest, one, None) for one in booked if one is not None))

    async def _cancel(self, guest: Person) -> None:
        own = self.bookings.get(guest.id)
        if own:
            booking = own.pop(self.chance.randrange(len(own)))
            await self._ask("cancel", f"/bookings/{booking}/cancel", {"reason": "x"}, guest)

    async def _call_back(self, guest: Person) -> None:
        """Call a payment back at the bank, spent or not."""
        own = [(one, page) for one, (payer, page) in self.begun.items() if payer is guest and one in self.acknowledged]
        if own:
            payment_id, page = self.chance.choice(own)
            self.done[f"dispute {await self.asker.press(page, 'dispute')}"] += 1
            await self._ask("check", f"/payments/{payment_id}/check", {}, guest)

    async def _unpaid(self, guest: Person) -> int | None:
        own = self.bookings.get(guest.id, [])
        return self.chance.choice(own) if own and self.chance.random() < 0.5 else await self._book(guest)

    async def _book(self, guest: Person) -> int | None:
        number, rooms = next(self._slots), self.venue.room_ids
        wanted = slot(rooms[number % len(rooms)], 1 + number // len(rooms))
        answer = await self._ask("book", "/bookings", {"items": [wanted]}, guest)
        if answer.status != 201:
            return None
        self.bookings.setdefault(guest.id, []).append(answer.data["id"])
        return int(answer.data["id"])

    async def _spend(self, guest: Person, booking: int, amount: int | None) -> None:
        part = {} if amount is None else {"amount": amount}
        body = {"booking_id": booking, "gateway": "wallet", **part}
        answer = await self._ask("wallet", "/payments", body, guest)
        if answer.status == 201:
            self.acknowledged.add(answer.data["id"])

    async def _begin(self, guest: Person, what: str, path: str, body: dict[str, Any], button: str) -> None:
        """Begin a payment, decide about it at the provider, and have two look at it at once."""
        answer = await self._ask(what, path, body, guest)
        if answer.status != 201:
            return
        payment_id, page = answer.data["id"], answer.data["pay_at"]["redirect_url"]
        if page is None:
            return
        page = page[page.index("/sandbox/") :]
        self.begun[payment_id] = (guest, page)
        self.done[f"{button} {await self.asker.press(page, button)}"] += 1
        for looked in await asyncio.gather(
            *(self._ask("check", f"/payments/{payment_id}/check", {}, guest) for _ in range(2))
        ):
            if looked.status == 200 and looked.data["status"] == "completed":
                self.acknowledged.add(payment_id)

    async def _ask(self, what: str, path: str, body: dict[str, Any], guest: Person) -> Answer:
        answer = await self.asker.insist("POST", path, body, guest, f"money-{next(self._keys)}")
        self.done[f"{what} {answer.status}"] += 1
        if answer.status >= 500:
            self.faults.append(f"{what} {answer.status} {answer.body[:200]!r}")
        return answer
