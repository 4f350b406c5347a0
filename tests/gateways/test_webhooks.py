"""Messages of webhooks go to the public internet and nowhere else, and are signed as Standard Webhooks says."""

from __future__ import annotations

import asyncio
import base64
import socket
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from hub.gateways import webhooks as gateway
from tests.receivers import Street, refusing, taking

HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}

PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    "localhost",
    "",
]


@pytest.mark.abuse("J1")
@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_public_internet_is_known_as_such(address: str) -> None:
    assert not gateway.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_public_is_known_as_such(address: str) -> None:
    assert gateway.is_public(address)


@pytest.mark.abuse("J2")
@pytest.mark.abuse("J3")
@pytest.mark.abuse("J7")
@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "gopher://example.org/",
        "file:///etc/passwd",
        "unix:///run/socket",
        "javascript:alert(1)",
        "//example.org/",
        "example.org",
        "https://",
        "https:///path",
        "https://:443/",
        "https://example.org:22/",
        "https://example.org:25/",
        "https://example.org:6379/",
        "https://example.org:80/",
        "https://example.org:99999/",
        "https://me@example.org/",
        "https://me:secret@example.org/",
        "https://:secret@example.org/",
        "https://example.org/#there",
        "https://[::1/",
        "https://exa mple.org/",
    ],
)
def test_an_address_that_cannot_be_right_is_refused_as_it_is_written(url: str) -> None:
    assert gateway.fault_of(url, anywhere=False) is not None


def test_https_at_its_usual_ports_is_fine() -> None:
    for url in ("https://example.org", "https://example.org:8443/hooks?key=1", "https://xn--bcher-kva.example/"):
        assert gateway.fault_of(url, anywhere=False) is None


def test_where_it_is_tried_out_http_and_every_port_are_fine_but_no_passwords() -> None:
    assert gateway.fault_of("http://127.0.0.1:9999/", anywhere=True) is None
    assert gateway.fault_of("http://me:secret@127.0.0.1/", anywhere=True) is not None
    assert gateway.fault_of("file:///etc/passwd", anywhere=True) is not None


@pytest.mark.abuse("J1")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
    ],
)
async def test_an_address_is_judged_by_where_it_leads_however_it_is_written(host: str) -> None:
    assert await gateway.leads_nowhere(f"https://{host}/", anywhere=False) == "must lead to a public address"


@pytest.fixture
async def port() -> Any:
    """Listen on this machine; nobody may come."""
    came = 0

    async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        writer.close()

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert came == 0


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names resolve to these addresses, one answer after the other; answers who was asked for."""
    asked: list[str] = []
    left = list(answers)

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve, raising=False)
    return asked


@pytest.mark.abuse("J1")
@pytest.mark.abuse("J2")
async def test_a_name_that_turns_private_once_it_was_judged_is_refused_at_the_connection(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(gateway, "PORTS", (port,))
    url = f"https://rebinding.example:{port}/"
    asked = resolving(monkeypatch, ["1.1.1.1"], ["127.0.0.1"], ["1.1.1.1", "127.0.0.1"])
    assert gateway.fault_of(url, anywhere=False) is None
    assert await gateway.leads_nowhere(url, anywhere=False) is None
    async with gateway.receivers(anywhere=False) as gate:
        for _ in range(2):
            answer = await gate.post(url, HEADERS, b"{}")
            assert (answer.status, answer.error) == (None, "its name leads to no public address")
    # Once a connection: what was judged is what is connected to.
    assert asked == ["rebinding.example"] * 3


@pytest.mark.abuse("J1")
async def test_a_private_address_that_was_kept_before_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(gateway, "PORTS", (port,))
    async with gateway.receivers(anywhere=False) as gate:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost"):
            answer = await gate.post(f"https://{host}:{port}/", HEADERS, b"{}")
            assert not answer.is_taken
            assert answer.error == "its name leads to no public address"
        assert (await gate.post(f"http://127.0.0.1:{port}/", HEADERS, b"{}")).error == "must start with https://"


async def test_control_without_the_judgement_of_addresses_private_ones_are_reached(
    receivers: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = receivers.inbox()
    monkeypatch.setattr(gateway, "fault_of", lambda *_, **__: None)
    async with gateway.receivers(anywhere=False) as gate:
        assert not (await gate.post(inbox.url, HEADERS, b'{"sequence": 1}')).is_taken
        monkeypatch.setattr(gateway, "is_public", lambda _: True)
        assert (await gate.post(inbox.url, HEADERS, b'{"sequence": 1}')).is_taken
    assert inbox.asked == 1


def test_a_message_is_signed_as_the_standards_own_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, at = b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    # The standard's example has an id that is no UUID, so the text is signed here as the gateway would.
    message_id = UUID("0190f5fe-7c00-7a00-8000-000000000001")
    signed = gateway.signed([secret], message_id, at, body)
    assert signed["webhook-timestamp"] == "1614265330"
    assert signed["webhook-id"] == "msg_0190f5fe7c007a008000000000000001"
    assert gateway.signature(secret, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


async def test_of_an_answer_only_the_status_counts(receivers: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "SECONDS_TO_FINISH", 0.2)

    async def trickle(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(0.5)
        return response

    plain = receivers.inbox("plain")
    async with gateway.receivers(anywhere=True) as gate:
        assert (await gate.post(plain.url, HEADERS, b'{"sequence": 1}')).is_taken
        assert (await gate.post(receivers.inbox("trickle", trickle).url, HEADERS, b"{}")).is_taken
        moved = await gate.post(receivers.inbox("moved", refusing(307, Location=plain.url)).url, HEADERS, b"{}")
        assert (moved.status, moved.error, moved.is_taken) == (307, "redirects are not followed", False)
        nobody = await gate.post("http://127.0.0.1:9/", HEADERS, b"{}")
        assert (nobody.status, nobody.error) == (None, "nobody listens there")
    assert plain.asked == 1
    assert plain.headers[0]["User-Agent"] == gateway.USER_AGENT


async def test_messages_to_one_receiver_share_a_connection_and_cookies_are_not_kept(receivers: Street) -> None:
    ports: set[Any] = set()

    async def note(request: web.Request, told: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        assert "Cookie" not in request.headers
        response = await taking(request, told)
        response.headers["Set-Cookie"] = "a=b"
        return response

    inbox = receivers.inbox(answer=note)
    async with gateway.receivers(anywhere=True) as gate:
        for _ in range(3):
            assert (await gate.post(inbox.url, HEADERS, b"{}")).is_taken
    assert len(ports) == 1
