"""Receipts and invoices: what they tell adds up, their numbers have no gaps, and names of any script stand on them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from PIL import ImageChops

from hub.core import THE_HUB, Actor
from hub.errors import NotFound, Unavailable, WrongState
from hub.models.bookings import Booking, CancelBooking, NameBooking, RescheduleBooking
from hub.models.paper import Paper, PaperKind
from hub.models.terms import Tax, Terms
from hub.models.venues import Cancellation, ChangeVenue
from hub.services import bookings, erasure, paper, paper_fonts, paper_sheets, venues
from storage import paper as store
from storage import soundness
from tests import builders
from tests.doors import ListeningHub
from tests.papers import give_back, pages, pay, picture
from tests.world import World, refusal


@pytest.fixture
async def world(hub: ListeningHub) -> World:
    return await World.build(hub)


async def printed(world: World, booking: Booking, kind: PaperKind = "receipt", by: Actor | None = None) -> bytes:
    return await paper.printed(world.hub, by or world.customer, NameBooking(booking_id=booking.id), kind)


async def issued(world: World, kind: PaperKind = "receipt") -> list[int]:
    async with world.hub.reading() as db:
        numbers = await db.fetch("SELECT number FROM papers WHERE kind = $1 ORDER BY number", kind)
    return [row["number"] for row in numbers]


async def newest(world: World, booking: Booking, kind: PaperKind = "receipt") -> Paper:
    async with world.hub.reading() as db:
        found = await store.newest(db, booking.id, booking.items[0].venue_id, kind)
    assert found is not None
    return found


async def test_a_receipt_tells_what_came_in_and_went_back_and_adds_up(world):
    booked = await world.book(world.slot(10, 2))
    await pay(world.hub, booked, 7000)
    await pay(world.hub, booked, 5000)
    await give_back(world.hub, booked, 2050)
    (text,) = pages(await printed(world, booked))
    assert "Receipt" in text
    assert f"R-{world.hall.id}-000001" in text
    assert "Sala Norte" in text
    assert booked.reference in text
    assert "Ana Reis" in text
    assert "Paid" in text
    assert "EUR 70.00" in text
    assert "EUR 50.00" in text
    assert "Given back" in text
    assert "EUR -20.50" in text
    assert "Received in all EUR 99.50" in text
    assert (await newest(world, booked)).content.received == 9950


async def test_what_still_holds_is_the_same_paper_and_what_has_changed_takes_its_place(world):
    booked = await world.book(world.slot(10, 2))
    await pay(world.hub, booked, 7000)
    first = await printed(world, booked)
    assert await printed(world, booked, by=world.owner) == first
    await venues.change(world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, address="Rua Nova 1"))
    assert await printed(world, booked) == first
    await pay(world.hub, booked, 5000)
    (text,) = pages(await printed(world, booked))
    assert f"R-{world.hall.id}-000002" in text
    assert f"In place of R-{world.hall.id}-000001" in text
    assert "Rua Nova 1" in text
    assert await issued(world) == [1, 2]


@pytest.mark.usefixtures("patient")
async def test_numbers_have_no_gaps_however_many_are_issued_at_once_and_some_come_to_nothing(world):
    booked = [await world.book(world.slot(hour)) for hour in range(8, 18)]
    for one in booked:
        await pay(world.hub, one)

    async def issue(one: Booking, *, fails: bool) -> None:
        async with world.hub.work(THE_HUB) as work:
            await paper.issue(work, one.id, [world.hall.id], "receipt")
            if fails:
                raise Unavailable()

    attempts = [issue(one, fails=place % 3 == 1) for place, one in enumerate(booked)]
    told = await asyncio.gather(*attempts, *(printed(world, one) for one in booked), return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in told) == 3
    assert all(one is None or isinstance(one, bytes | Unavailable) for one in told)
    assert await issued(world) == list(range(1, 11))
    assert await soundness.faults(world.hub.pool) == {}
    async with world.hub.pool.acquire() as db:
        await db.execute("UPDATE paper_numbers SET last = last + 1")
    assert list(await soundness.faults(world.hub.pool)) == ["the numbers of a venue's papers have a gap"]


async def test_without_the_lock_a_number_is_wanted_twice(world, monkeypatch):
    booked = [await world.book(world.slot(hour)) for hour in range(8, 12)]
    for one in booked:
        await pay(world.hub, one)
    await printed(world, booked[0])
    given = asyncio.Barrier(3)

    async def careless(db: Any, booking_id: int, venue_id: int, kind: str, *rest: Any) -> int:
        number: int = await db.fetchval("SELECT max(number) + 1 FROM papers WHERE venue_id = $1", venue_id)
        await given.wait()
        replaces, guest, content = rest
        await db.execute(
            "INSERT INTO papers (booking_id, venue_id, kind, number, replaces, guest, content) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            booking_id, venue_id, kind, number, replaces, guest, content.model_dump(mode="json"),
        )  # fmt: skip
        return number

    async def open_to_all(*_: Any) -> None:
        return None

    monkeypatch.setattr(store, "issue", careless)
    monkeypatch.setattr(store, "lock_numbers", open_to_all)
    told = await asyncio.gather(*(printed(world, one) for one in booked[1:]), return_exceptions=True)
    assert sum(isinstance(one, Exception) for one in told) == 2


async def test_each_venue_of_a_booking_issues_its_own_and_a_desk_gets_no_other(world):
    booked = await world.book(world.slot(10), world.stay(2))
    await pay(world.hub, booked)
    hall, hotel = pages(await printed(world, booked, "invoice"))
    assert f"I-{world.hall.id}-000001" in hall
    assert "Total EUR 60.00" in hall
    assert f"I-{world.hotel.id}-000001" in hotel
    assert "Total EUR 180.00" in hotel
    desk = await builders.make_staff(world.hub, world.hotel)
    (part,) = pages(await printed(world, booked, "invoice", by=desk))
    assert part == hotel
    with pytest.raises(NotFound):
        await printed(world, booked, "invoice", by=world.rival)


async def test_there_is_no_receipt_of_nothing_and_no_invoice_of_a_hold(world):
    held = await world.hold(world.slot(10))
    assert isinstance(await refusal(printed(world, held)), WrongState)
    assert isinstance(await refusal(printed(world, held, "invoice")), WrongState)
    assert await issued(world) == []


async def test_an_invoice_follows_what_was_moved_and_comes_down_to_what_was_kept(world):
    booked = await world.book(world.slot(10, 2))
    await pay(world.hub, booked)
    await printed(world, booked, "invoice")
    ask = RescheduleBooking.model_validate({"booking_id": booked.id, "items": [world.slot(15, 2)]})
    await bookings.reschedule(world.hub, world.customer, ask)
    (text,) = pages(await printed(world, booked, "invoice"))
    assert "15:00" in text
    assert f"In place of I-{world.hall.id}-000001" in text
    await bookings.cancel(world.hub, world.customer, CancelBooking(booking_id=booked.id))
    async with world.hub.reading() as db:
        kept = await db.fetchval("SELECT sum(amount) FROM ledger_entries WHERE booking_id = $1", booked.id)
    (text,) = pages(await printed(world, booked, "invoice"))
    assert f"Not owed any more EUR -{(12_000 - kept) / 100:.2f}" in text
    assert f"Total EUR {kept / 100:.2f}" in text


async def test_what_is_kept_of_an_item_that_was_cancelled_stands_on_the_invoice(world):
    half = Cancellation(free_until_hours=8760, refund_percent_after=50)
    await venues.change(world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, cancellation=half))
    booked = await world.book(world.slot(10), world.slot(14))
    await pay(world.hub, booked)
    ask = CancelBooking(booking_id=booked.id, item_ids=[booked.items[0].id])
    await bookings.cancel(world.hub, world.customer, ask)
    (text,) = pages(await printed(world, booked, "invoice"))
    assert "cancellation fee 1 EUR 30.00" in text
    assert "Total EUR 90.00" in text
    (text,) = pages(await printed(world, booked))
    assert "Received in all EUR 90.00" in text


async def test_an_invoice_says_which_tax_is_in_it_and_what_the_plan_brings(world):
    terms = Terms(taxes=[Tax(name="VAT", basis_points=1000)], plans=["full", "deposit"], full_bonus=["Breakfast"])
    await venues.change(world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, terms=terms))
    booked = await world.book(world.slot(10))
    await pay(world.hub, booked, 6270)
    (text,) = pages(await printed(world, booked, "invoice"))
    # 60.00 and a tenth of it, less five percent.
    assert "Total EUR 62.70" in text
    assert "contains VAT, 10 %: EUR 5.70" in text
    assert "included: Breakfast" in text


async def test_a_long_paper_goes_on_on_the_next_page(world):
    booked = await world.book(world.slot(10))
    await pay(world.hub, booked)
    async with world.hub.work(THE_HUB) as work:
        (known,) = await paper.issue(work, booked.id, [world.hall.id], "invoice")
    longer = known.content.model_copy(update={"items": known.content.items * 40})
    first, *others, last = pages(
        paper_sheets.drawn(world.hub.settings.data, [known.model_copy(update={"content": longer})])
    )
    assert "What Quantity Amount" in first
    assert all("What Quantity Amount" in page for page in others)
    assert "Total EUR 2,400.00" in last


async def test_what_was_issued_cannot_be_changed_but_forgets_who_is_erased(world):
    booked = await world.book(world.slot(10))
    await pay(world.hub, booked)
    await printed(world, booked)
    async with world.hub.pool.acquire() as db:
        for forgery in ("SET number = 7", "SET content = '{}'", "SET booking_id = 77"):
            with pytest.raises(Exception, match="stays as it is"):
                await db.execute(f"UPDATE papers {forgery}")
        with pytest.raises(Exception, match="permission denied"):
            await db.execute("DELETE FROM papers")
    async with world.hub.work(THE_HUB) as work:
        await erasure.erase(work, booked.user_id)
    (text,) = pages(await printed(world, booked, by=world.owner))
    assert "Ana Reis" not in text
    assert "EUR 60.00" in text


NAMES = {
    "km": ("សុខា ចាន់ធូ", "សណ្ឋាគារ ភ្នំពេញ", "បង្កាន់ដៃ"),
    "zh": ("王小明", "北京大酒店", "收据"),
}


@pytest.mark.parametrize("language", NAMES)
async def test_names_of_khmer_and_chinese_stand_on_paper_as_they_are_written(world, language, monkeypatch):
    guest, place, title = NAMES[language]
    async with world.hub.pool.acquire() as db:
        await db.execute(
            "UPDATE users SET full_name = $2, language = $3 WHERE id = $1", world.customer.user_id, guest, language
        )
    await venues.change(world.hub, world.owner, ChangeVenue(venue_id=world.hall.id, name=place))
    booked = await world.book(world.slot(10))
    await pay(world.hub, booked)
    file = await printed(world, booked)
    if language == "zh":
        (text,) = pages(file)
        assert all(written in text for written in (guest, place, title))
    async with world.hub.work(THE_HUB) as work:
        (known,) = await paper.issue(work, booked.id, [world.hall.id], "receipt")
    data = world.hub.settings.data
    assert paper_sheets.drawn(data, [known]) == file
    reversed_name = known.model_copy(update={"guest": guest[::-1]})
    assert differ(file, paper_sheets.drawn(data, [reversed_name]))
    # The control: letters set one after the other, as they are stored, are no Khmer; of Chinese they are all there is.
    monkeypatch.setattr(paper_sheets.FPDF, "set_text_shaping", lambda *_, **__: None)
    assert differ(file, paper_sheets.drawn(data, [known]), until=HEAD) == (language == "km")


# The title and the venue's name, in which there is no letter of ours; pixels.
HEAD = 240


def differ(one: bytes, other: bytes, *, until: int | None = None) -> bool:
    difference = ImageChops.difference(picture(one), picture(other))
    return difference.crop((0, 0, difference.width, until or difference.height)).getbbox() is not None


def test_a_character_that_no_font_has_is_shown_as_one(tmp_path):
    assert paper_fonts.writable("Zoë \U0001f984 ភ្នំ\u200bពេញ\u202e王\t\x07") == f"Zoë {paper_fonts.UNKNOWN} ភ្នំពេញ王  "
    faces = paper_fonts.faces(tmp_path, "Zoë")
    assert [face.style for face in faces] == ["", "B"]
    assert all(face.file.parent == tmp_path / "fonts" for face in faces)
