"""Pictures sent in and fetched: judged by a decoder, drawn anew, and served so that they can do nothing."""

from __future__ import annotations

import asyncio
import io
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from hub.services import files, pictures
from hub.settings import Settings
from tests import builders
from tests.doors import Answer, AppServer, Http, People, Person
from tests.photos import WORD, decoded, photo, png_bomb, snapshot_with_place
from tests.stock import contents

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
LARGE = b"\xff\xd8" + b"\0" * 11 * 1024 * 1024
HTML = b"<!doctype html><script>alert(document.cookie)</script>"


@pytest.fixture
def people(app_server: AppServer) -> People:
    """Register people in the application's database."""
    return People(app_server.hub)


async def send(
    http: Http,
    path: str,
    person: Person | None,
    body: bytes,
    name: str = "photo.jpg",
    kind: str = "image/jpeg",
    **fields: str,
) -> Answer:
    """Send a file as a form does."""
    form = FormData(quote_fields=False)
    form.add_field("file", io.BytesIO(body), filename=name, content_type=kind)
    for field, value in fields.items():
        form.add_field(field, value)
    headers = {} if person is None else {"Authorization": f"Bearer {person.token}"}
    async with http.session.post(f"{http.base}/api/v1{path}", data=form, headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


def stored(settings: Settings) -> list[Path]:
    """List the files that are kept."""
    return [path for path in (settings.data / "files").rglob("*") if path.is_file()]


async def fetch(http: Http, url: str, **headers: str) -> Answer:
    """Fetch a file by its address."""
    return await http.get(f"/{url}", headers=headers)


async def test_a_picture_of_oneself_is_shown_and_replaced_and_removed(http: Http, people: People) -> None:
    ana = await people.customer()
    first = await send(http, "/me/picture", ana, photo())
    assert first.status == 200, first.text
    url = first.data["picture_url"]
    served = await fetch(http, url)
    assert (served.status, served.headers["Content-Type"]) == (200, "image/jpeg")
    assert decoded(served.body).size == (640, 480)
    second = await send(http, "/me/picture", ana, photo("PNG"), "p.png", "image/png")
    assert second.data["picture_url"] != url
    assert (await fetch(http, url)).status == 404
    assert (await http.get("/me", as_=ana)).data["picture_url"] == second.data["picture_url"]
    assert (await http.delete("/me/picture", as_=ana)).status == 204
    assert (await http.get("/me", as_=ana)).data["picture_url"] is None
    assert (await fetch(http, second.data["picture_url"])).status == 404


async def test_images_of_venue_type_and_room_come_go_and_are_told(http: Http, people: People) -> None:
    owner = await people.vendor()
    venue = await builders.make_venue(people.hub, owner.actor)
    room_type = await builders.make_room_type(people.hub, owner.actor, venue)
    room = await builders.make_room(people.hub, owner.actor, room_type)
    for path in (f"/venues/{venue.id}", f"/room-types/{room_type.id}", f"/rooms/{room.id}"):
        sent = await send(http, f"{path}/images", owner, photo("WEBP"), "a.webp", "image/webp", alt="The hall")
        assert sent.status == 201, sent.text
        [image] = sent.data["images"]
        assert image["alt"] == "The hall"
        assert (await fetch(http, image["url"])).headers["Content-Type"] == "image/webp"
        assert (await http.get(path)).data["images"] == [image]
        name = image["url"].rpartition("/")[2]
        assert (await http.delete(f"{path}/images/{name}", as_=owner)).status == 204
        assert (await http.get(path)).data["images"] == []
        assert (await fetch(http, image["url"])).status == 404
        assert (await http.delete(f"{path}/images/{name}", as_=owner)).status == 404


@pytest.mark.abuse("A1", "A8")
async def test_only_who_runs_a_venue_adds_or_removes_its_images(http: Http, people: People) -> None:
    owner, stranger = await people.vendor(), await people.vendor("Sid Stranger")
    venue = await builders.make_venue(people.hub, owner.actor)
    room_type = await builders.make_room_type(people.hub, owner.actor, venue)
    room = await builders.make_room(people.hub, owner.actor, room_type)
    clerk = await people.customer("Cleo Clerk")
    await people.hub.pool.execute(
        "INSERT INTO venue_staff (venue_id, user_id, role) VALUES ($1, $2, 'desk')", venue.id, clerk.id
    )
    sent = await send(http, f"/venues/{venue.id}/images", owner, photo())
    name = sent.data["images"][0]["url"].rpartition("/")[2]
    for path in (f"/venues/{venue.id}/images", f"/room-types/{room_type.id}/images", f"/rooms/{room.id}/images"):
        for person, status in ((None, 401), (stranger, 404), (clerk, 403)):
            assert (await send(http, path, person, photo())).status == status
            refused = await http.delete(f"{path}/{name}", as_=person)
            assert refused.status == status, (path, person)
        assert (await send(http, path.replace(str(venue.id), "999999"), owner, photo())).status in (404, 201)
    assert (await send(http, "/me/picture", None, photo())).status == 401
    denied = await people.hub.pool.fetch(
        "SELECT asked, entity, actor_id FROM audit WHERE operation = 'denied' ORDER BY id"
    )
    assert ("venues.add_image", "venue", stranger.id) in [tuple(row) for row in denied]
    assert ("rooms.add_image", "room", clerk.id) in [tuple(row) for row in denied]
    other = await builders.make_venue(people.hub, stranger.actor)
    assert (await http.delete(f"/venues/{other.id}/images/{name}", as_=stranger)).status == 404
    assert (await fetch(http, f"/files/{name}")).status == 200


NO_PICTURES = [
    ("a.svg", "image/svg+xml", SVG),
    ("a.jpg", "image/jpeg", SVG),
    ("a.html", "text/html", HTML),
    ("a.jpg", "image/jpeg", HTML),
    (
        "a.png",
        "image/png",
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
    ),
    ("a.jpg", "text/html", photo()),
    ("a.jpg.php", "image/jpeg", photo()),
    ("a.html", "image/jpeg", photo()),
    ("a.gif", "image/gif", photo("GIF")),
    ("a.jpg", "image/jpeg", photo("GIF")),
    ("a.jpg", "image/jpeg", photo("TIFF")),
    ("a.jpg", "image/jpeg", photo("BMP")),
    ("a.jpg", "image/jpeg", photo("ICO")),
    ("a.jpg", "image/jpeg", photo("JPEG2000")),
    ("a.jpg", "image/jpeg", photo("PPM")),
    ("a.jpg", "image/jpeg", photo("TGA")),
    ("a.jpg", "image/jpeg", b"8BPS\0\1" + b"\0" * 200),
    ("a.jpg", "image/jpeg", b"SIMPLE  =                    T" + b" " * 3000),
    ("a.jpg", "image/jpeg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    ("a.jpg", "image/jpeg", photo()[:2000]),
    ("a.png", "image/png", photo("PNG")[:-40]),
    ("a.jpg", "image/jpeg", b""),
    ("a.jpg", "image/jpeg", photo(size=(3, 3))),
    ("a.png", "image/png", png_bomb()),
    # 38 bytes that are 256 million pixels.
    (
        "a.webp",
        "image/webp",
        bytes.fromhex("524946461e000000574542505650384c110000002f7ffe9f0f07d0842634a1ff8188e87f0000"),
    ),
    ("a.webp", "image/webp", b"RIFF\xff\xff\xff\x7fWEBPVP8X" + b"\xff" * 60),
]


@pytest.mark.abuse("G6", "G8")
async def test_what_is_no_picture_is_refused(http: Http, people: People) -> None:
    ana = await people.customer()
    before, faults = await contents(people.hub), []
    for name, kind, body in NO_PICTURES:
        refused = await send(http, "/me/picture", ana, body, name, kind)
        if (refused.status, refused.data["code"]) != (415, "no_picture"):
            faults.append((name, kind, body[:20], refused.text))
    assert faults == []
    assert await contents(people.hub) == before


@pytest.mark.abuse("G10")
@pytest.mark.parametrize(
    "name", ["../../etc/passwd.jpg", "..\\\\..\\\\boot.jpg", "/etc/cron.d/x.jpg", "a\0.jpg", "a\x1b[31m.jpg", ".."]
)
async def test_a_name_that_leads_elsewhere_is_refused(name: str, http: Http, people: People) -> None:
    ana = await people.customer()
    boundary = "x" * 20
    body = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + photo()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    refused = await http.post("/me/picture", as_=ana, data=body, headers=headers)
    assert refused.status in (400, 422), refused.text
    assert (await http.get("/me", as_=ana)).data["picture_url"] is None


@pytest.mark.abuse("G10")
@pytest.mark.parametrize(
    "name", ["..%2f..%2fsecret", "..", "%2e%2e", "secret", f"{'a' * 32}.jpg%00", f"{'a' * 32}.svg", "A" * 32 + ".jpg"]
)
async def test_no_address_leads_out_of_the_store(name: str, http: Http) -> None:
    assert (await http.get(f"//files/{name}")).status in (404, 405)
    assert (await http.get(f"//files/{'a' * 32}.jpg")).status == 404


@pytest.mark.abuse("G9")
async def test_nothing_but_what_is_to_be_seen_is_kept(http: Http, people: People, settings: Settings) -> None:
    ana = await people.customer()
    taken = snapshot_with_place()
    assert taken.count(WORD.encode()) > 4
    url = (await send(http, "/me/picture", ana, taken)).data["picture_url"]
    served = await fetch(http, url)
    small = await fetch(http, f"{url}?w=128&h=128&c=fill")
    for body in (
        served.body,
        small.body,
        *(path.read_bytes() for path in settings.data.rglob("*.*") if path.is_file()),
    ):
        assert WORD.encode() not in body
        assert b"Exif" not in body
        assert b"ICC_PROFILE" not in body
    turned = decoded(served.body)
    assert turned.size == (480, 640)
    assert not turned.getexif()
    assert turned.getpixel((470, 10))[0] > 250


@pytest.mark.abuse("G6")
async def test_a_picture_that_is_also_a_page_is_only_a_picture(http: Http, people: People) -> None:
    ana = await people.customer()
    url = (await send(http, "/me/picture", ana, photo() + HTML)).data["picture_url"]
    served = await fetch(http, url, Accept="text/html")
    assert b"script" not in served.body
    assert served.headers["Content-Type"] == "image/jpeg"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert served.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert served.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "Set-Cookie" not in served.headers


async def test_a_picture_is_fetched_in_the_sizes_of_a_list_only(http: Http, people: People) -> None:
    ana = await people.customer()
    url = (await send(http, "/me/picture", ana, photo(size=(1600, 1200)))).data["picture_url"]
    for query, size in {
        "w=400": (400, 300),
        "h=400": (533, 400),
        "w=400&h=400": (400, 300),
        "w=400&h=400&c=fill&q=auto": (400, 400),
        "w=128&h=256&c=fill": (128, 256),
        "w=1920&h=1920&c=fill": (1200, 1200),
        "w=1920": (1600, 1200),
        "q=auto": (1600, 1200),
    }.items():
        served = await fetch(http, f"{url}?{query}")
        assert decoded(served.body).size == size, query
        assert (await fetch(http, f"{url}?{query}", **{"If-None-Match": served.headers["ETag"]})).status == 304
        assert (await fetch(http, f"{url}?{query}")).body == served.body
    webp = await fetch(http, f"{url}?w=400", Accept="image/avif,image/webp,*/*")
    assert (webp.headers["Content-Type"], decoded(webp.body).format) == ("image/webp", "WEBP")
    assert "Accept" in ", ".join(webp.headers.getall("Vary"))
    for query in (
        "w=401",
        "w=0",
        "w=-1",
        "w=99999",
        "w=x",
        "c=fill",
        "c=fill&w=400",
        "c=zoom",
        "q=100",
        "x=1",
        "w=64&h=256",
    ):
        assert (await fetch(http, f"{url}?{query}")).status == 422, query


async def test_a_crowd_that_wants_a_new_size_is_answered_by_one_drawing(
    http: Http, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await people.customer()
    url = (await send(http, "/me/picture", ana, photo(size=(1600, 1200)))).data["picture_url"]
    drawn, resized = 0, files.pictures.resized

    async def counted(*asked: Any) -> bytes:
        nonlocal drawn
        drawn += 1
        return await resized(*asked)

    monkeypatch.setattr(files.pictures, "resized", counted)
    bodies = {answer.body for answer in await asyncio.gather(*(fetch(http, f"{url}?w=640") for _ in range(20)))}
    assert (len(bodies), drawn) == (1, 1)


async def test_pictures_are_decoded_beside_the_loop_and_outside_of_any_transaction(
    http: Http, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, pool, read = await people.customer(), people.hub.pool, pictures._read
    seen: list[tuple[bool, int, int]] = []

    def watched(body: bytes) -> Any:
        is_beside = threading.current_thread() is not threading.main_thread()
        seen.append((is_beside, pool.get_idle_size(), pool.get_size()))
        return read(body)

    monkeypatch.setattr(pictures, "_read", watched)
    assert (await send(http, "/me/picture", ana, photo())).status == 200
    [(is_beside, idle, size)] = seen
    assert is_beside
    assert idle == size


async def test_a_broken_form_is_refused(http: Http, people: People) -> None:
    ana = await people.customer()
    multipart = {"Content-Type": "multipart/form-data; boundary=b"}
    refusals = [
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "image/jpeg"}, photo(), 415),
        (multipart | {"Content-Encoding": "gzip"}, b"x", 415),
        ({"Content-Type": "multipart/form-data"}, b"x", 400),
        (multipart, b"nothing of the kind", 400),
        (multipart, b"--b--\r\n", 422),
        (multipart, b'--b\r\nContent-Disposition: form-data; name="user_id"\r\n\r\n1\r\n--b--\r\n', 422),
        (multipart, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\ncut off', 400),
    ]
    for headers, body, status in refusals:
        answer = await http.post("/me/picture", as_=ana, data=body, headers=headers)
        assert answer.status in ({status, 422, 415} if status == 400 else {status}), (headers, body[:60], answer.text)
    assert (await http.get("/me", as_=ana)).data["picture_url"] is None


@pytest.mark.abuse("F4")
async def test_a_form_of_very_many_parts_is_refused_at_once(http: Http, people: People) -> None:
    ana = await people.customer()
    part = b'--b\r\nContent-Disposition: form-data; name="alt"\r\n\r\nx\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Authorization": f"Bearer {ana.token}"}
    async with (
        asyncio.timeout(1),
        http.session.post(
            f"{http.base}/api/v1/me/picture", data=io.BytesIO(part * 100_000 + b"--b--\r\n"), headers=headers
        ) as refused,
    ):
        assert refused.status in (400, 413, 422)


async def test_too_large_a_file_is_refused_before_it_is_read(http: Http, people: People) -> None:
    ana = await people.customer()
    refused = await send(http, "/me/picture", ana, LARGE)
    assert (refused.status, refused.data["code"]) == (413, "too_large")


async def test_what_is_kept_has_a_quota(app_server: AppServer, http: Http, people: People) -> None:
    owner = await people.vendor()
    venue = await builders.make_venue(people.hub, owner.actor)
    app_server.running.hub.settings = replace(app_server.hub.settings, upload_quota_megabytes=1)
    await people.hub.pool.execute(
        "INSERT INTO files (name, kind, owner_id, subject_id, venue_id, width, height, bytes, shown_at)"
        " VALUES (repeat('0', 32) || '.jpg', 'venue', $1, $2, $2, 9, 9, 1024 * 1024 - 9, now())",
        owner.id,
        venue.id,
    )
    refused = await send(http, f"/venues/{venue.id}/images", owner, photo())
    assert (refused.status, refused.data["code"]) == (409, "quota_exceeded")
    # What the venue does not show any more makes room.
    await people.hub.pool.execute("UPDATE files SET shown_at = now() - interval '2 hours'")
    assert (await send(http, f"/venues/{venue.id}/images", owner, photo())).status == 201


async def test_what_is_gone_leaves_the_store(http: Http, people: People, settings: Settings) -> None:
    ana = await people.customer()
    url = (await send(http, "/me/picture", ana, photo())).data["picture_url"]
    await fetch(http, f"{url}?w=128")
    kept = stored(settings)
    assert len(kept) == 2
    await http.delete("/me/picture", as_=ana)
    assert await files.sweep(people.hub) == 1
    assert stored(settings) == []
    await people.hub.pool.execute("UPDATE files SET deleted_at = now() - interval '1 hour'")
    await files.sweep(people.hub)
    assert await people.hub.pool.fetchval("SELECT count(*) FROM files") == 0


@pytest.mark.abuse("G5")
@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example/x", "\\\\evil"]
)
async def test_no_link_or_image_of_a_venue_can_be_a_script(link: str, http: Http, people: People) -> None:
    owner = await people.vendor()
    venue = await builders.make_venue(people.hub, owner.actor)
    for change in ({"contact_website": link}, {"map_url": link}, {"images": [{"url": link}]}):
        assert (await http.patch(f"/venues/{venue.id}", change, as_=owner)).status == 422, change


@pytest.mark.abuse("G5")
def test_no_link_of_a_page_lets_what_it_opens_reach_back() -> None:
    for file in [*Path("static/js").glob("*.js"), *Path("static/templates").rglob("*.html")]:
        for link in re.findall(r"<a\b[^>]*target[^>]*>", file.read_text(encoding="utf-8")):
            assert "noopener" in link, f"{file}: {link}"


@pytest.mark.abuse("G13")
async def test_an_image_by_address_is_never_fetched_by_the_hub(http: Http, people: People) -> None:
    owner = await people.vendor()
    venue = await builders.make_venue(people.hub, owner.actor)
    came: list[Any] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    inside = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with inside:
        port = inside.sockets[0].getsockname()[1]
        for url in (f"http://127.0.0.1:{port}/x.jpg", f"http://localhost:{port}/latest/meta-data"):
            changed = await http.patch(f"/venues/{venue.id}", {"images": [{"url": url}]}, as_=owner)
            assert changed.status == 200
            await http.get(f"/venues/{venue.id}")
            await http.get(f"//venues/{venue.id}")
            assert (await http.get(f"//files/{url}")).status == 404
        await asyncio.sleep(0.2)
    assert came == []
