"""How what goes with a booking is asked for: its papers, its code, its place in a calendar."""

from __future__ import annotations

from hub.services import calendars, check_ins
from storage.check_ins import Known
from tests.abuse.asks import Ask, ask, plain
from tests.abuse.scene import Scene
from tests.papers import pay

plain("papers.links", lambda scene: {"booking_id": scene.booking.id})
for _name in ["calendars.state", "calendars.subscribe", "calendars.delete"]:
    plain(_name)


@ask(*(f"GET /bookings/{{booking_id}}/{file}" for file in ("receipt.pdf", "invoice.pdf", "calendar.ics", "code.svg")))
async def _paper(scene: Scene, who: str) -> Ask:
    await pay(scene.hub, scene.booking)
    return Ask({"booking_id": scene.booking.id})


@ask("check_ins.create")
async def _code(scene: Scene, who: str) -> Ask:
    async with scene.hub.reading() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 hour' WHERE booking_id = $1",
            scene.booking.id,
        )
    known = Known(id=scene.booking.id, reference=scene.booking.reference)
    return Ask(body={"code": check_ins.code(scene.hub, known)})


@ask("GET /calendar/{token}.ics")
async def _feed(scene: Scene, who: str) -> Ask:
    address = await calendars.subscribe(scene.hub, scene.person("customer").actor)
    return Ask({"token": address.url.rpartition("/")[2].removesuffix(".ics")})
