"""How a venue's things are asked about, where something has to be prepared first."""

from __future__ import annotations

from hub.models.files import Upload
from hub.models.venues import ChangeVenue
from hub.services import files, venues
from tests.abuse.asks import Ask, ask, caller, venue
from tests.abuse.scene import Scene
from tests.builders import day_after, make_rate
from tests.photos import photo

# What is not active, and so only seen by those who run it


@ask(
    "venues.get/inactive",
    "venues.availability/inactive",
    "venues.events/inactive",
    "venues.snapshot/inactive",
)
async def _inactive_venue(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask(venue(scene))


@ask("room_types.get/inactive", "rooms.get/inactive", "rooms.availability/inactive", "addons.get/inactive")
async def _inactive_inventory(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask({"room_type_id": scene.hall_type.id, "room_id": scene.room.id, "addon_id": scene.addon.id})


@ask("sessions.get/inactive", "sessions.availability/inactive")
async def _inactive_session(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return Ask({"session_id": scene.session.id})


@ask("rates.get", "rates.delete")
async def _rate(scene: Scene, who: str) -> Ask:
    return Ask({"rate_id": (await make_rate(scene.hub, scene.person("owner").actor, scene.hall_type)).id})


@ask("rates.get/inactive")
async def _inactive_rate(scene: Scene, who: str) -> Ask:
    asked = await _rate(scene, who)
    await _close(scene)
    return asked


@ask("rates.change")
async def _dearer_rate(scene: Scene, who: str) -> Ask:
    return Ask((await _rate(scene, who)).path, {"percent": 200})


@ask("room_types.availability")
async def _nights(scene: Scene, who: str) -> Ask:
    return Ask({"room_type_id": scene.pool.id}, {"check_in": str(day_after(3)), "check_out": str(day_after(4))})


@ask("room_types.availability/inactive")
async def _inactive_nights(scene: Scene, who: str) -> Ask:
    await _close(scene)
    return await _nights(scene, who)


async def _close(scene: Scene) -> None:
    await venues.change(scene.hub, scene.person("owner").actor, ChangeVenue(venue_id=scene.venue.id, is_active=False))


# Holds and bookings


@ask("quotes.ask", "holds.place", "bookings.make")
async def _basket(scene: Scene, who: str) -> Ask:
    return Ask(body={"items": [scene.slot()]})


@ask("holds.place/for_a_guest", "bookings.make/for_a_guest")
async def _basket_for_a_guest(scene: Scene, who: str) -> Ask:
    return Ask(body={"items": [scene.slot()], "user_id": scene.person("customer").id})


@ask("bookings.reschedule")
async def _move(scene: Scene, who: str) -> Ask:
    return Ask({"booking_id": scene.booking.id}, {"items": [scene.slot()]})


@ask("bookings.complete", "bookings.no_show")
async def _begun(scene: Scene, who: str) -> Ask:
    async with scene.hub.reading() as db:
        await db.execute(
            "UPDATE booking_items SET starts_at = clock_timestamp() - interval '1 hour' WHERE booking_id = $1",
            scene.booking.id,
        )
    return Ask({"booking_id": scene.booking.id})


@ask("bookings.list/venue", "dashboard.show/venue", "audit.list/venue")
async def _of_the_venue(scene: Scene, who: str) -> Ask:
    return Ask(body=venue(scene))


# Pictures


@ask("POST /me/picture", "POST /venues/{id}/images")
async def _upload(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.venue.id}, upload=True)


@ask("POST /room-types/{id}/images")
async def _upload_of_type(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.hall_type.id}, upload=True)


@ask("POST /rooms/{id}/images")
async def _upload_of_room(scene: Scene, who: str) -> Ask:
    return Ask({"id": scene.room.id}, upload=True)


@ask("me.remove_picture")
async def _remove_picture(scene: Scene, who: str) -> Ask:
    await files.set_picture(scene.hub, caller(scene, who), Upload(body=photo(size=(64, 64))))
    return Ask()


@ask("venues.remove_image", "GET /files/{name}")
async def _venue_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_venue_image(scene.hub, owner, scene.venue.id, Upload(body=photo(size=(64, 64))))
    return Ask({"venue_id": scene.venue.id, "name": made.images[-1].url.rpartition("/")[2]})


@ask("room_types.remove_image")
async def _type_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_room_type_image(scene.hub, owner, scene.hall_type.id, Upload(body=photo(size=(64, 64))))
    return Ask({"room_type_id": scene.hall_type.id, "name": made.images[-1].url.rpartition("/")[2]})


@ask("rooms.remove_image")
async def _room_image(scene: Scene, who: str) -> Ask:
    owner = scene.person("owner").actor
    made = await files.add_room_image(scene.hub, owner, scene.room.id, Upload(body=photo(size=(64, 64))))
    return Ask({"room_id": scene.room.id, "name": made.images[-1].url.rpartition("/")[2]})
