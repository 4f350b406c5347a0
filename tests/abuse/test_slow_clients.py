"""Nobody holds a connection by being slow: not with a head, not with a body, and not by never reading the answer."""

from __future__ import annotations

import asyncio
import inspect
import socket
import time

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler

from handlers import over_http, patience
from tests.doors import AppServer, Http, People


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub wait for tenths of a second."""
    monkeypatch.setattr(patience, "SECONDS_FOR_HEAD", 0.5)
    monkeypatch.setattr(patience, "SECONDS_BETWEEN_LOOKS", 0.5)


async def connect(worker: AppServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))


async def drip(writer: asyncio.StreamWriter, text: str, pause: float = 0.1) -> None:
    for letter in text:
        if writer.is_closing():
            return
        writer.write(letter.encode())
        await asyncio.sleep(pause)


async def is_closed(reader: asyncio.StreamReader, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            while await reader.read(4096):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("said", ["", "G", "GET /api/v1/venues HTTP/1.1\r\nHost: localhost\r\nX-"])
async def test_a_head_that_does_not_come_is_not_waited_for(app_server: AppServer, said: str) -> None:
    reader, writer = await connect(app_server)
    writer.write(said.encode())
    assert await is_closed(reader, 2)
    writer.close()


async def test_a_head_that_drips_in_is_not_waited_for_longer(app_server: AppServer) -> None:
    reader, writer = await connect(app_server)
    began = time.monotonic()
    dripping = asyncio.create_task(
        drip(writer, "GET /api/v1/venues HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + "y" * 100)
    )
    assert await is_closed(reader, 3)
    assert time.monotonic() - began < 2
    dripping.cancel()
    writer.close()


async def test_the_second_head_of_a_connection_is_waited_for_no_longer_than_the_first(app_server: AppServer) -> None:
    reader, writer = await connect(app_server)
    writer.write(b"GET /api/v1/venues HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    # At rest it may stay.
    await asyncio.sleep(1.2)
    assert not writer.is_closing()
    dripping = asyncio.create_task(drip(writer, "GET /api/v1/venues HTTP/1.1\r\nX-Slow: " + "y" * 100))
    assert await is_closed(reader, 3)
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/session/login", "/no/such/address"])
async def test_a_body_that_drips_in_is_not_waited_for(app_server: AppServer, path: str) -> None:
    reader, writer = await connect(app_server)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {app_server.url}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 5000\r\n\r\n".encode())
    dripping = asyncio.create_task(drip(writer, '{"email": "' + "x" * 100))
    assert await is_closed(reader, 4)
    dripping.cancel()
    writer.close()


async def test_a_body_that_comes_at_a_sensible_pace_is_waited_for(app_server: AppServer) -> None:
    vendor = await People(app_server.hub).vendor()
    reader, writer = await connect(app_server)
    body = b'{"name": "Hotel Aurora"' + b" " * 6000 + b"}"
    head = f"POST /api/v1/venues HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {vendor.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    for start in range(0, len(body), 500):
        writer.write(body[start : start + 500])
        await asyncio.sleep(0.1)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_who_never_reads_the_answer_is_cut(app_server: AppServer) -> None:
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", int(app_server.url.rpartition(":")[2])))
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    one = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n\r\n"
    await loop.sock_sendall(slow, one * 40)
    reset = False
    for _ in range(50):
        await asyncio.sleep(0.1)
        try:
            await loop.sock_sendall(slow, b"\r\n")
        except ConnectionError:
            reset = True
            break
    slow.close()
    assert reset


async def test_control_without_patience_running_out_a_slow_head_keeps_its_connection(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS_FOR_HEAD", 3600)
    reader, writer = await connect(app_server)
    writer.write(b"GET /api")
    assert not await is_closed(reader, 2)
    writer.close()


async def test_many_slow_clients_slow_nobody_else(app_server: AppServer, http: Http) -> None:
    slow = [await connect(app_server) for _ in range(200)]
    for _, writer in slow:
        writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: loc")
    for _ in range(10):
        assert (await http.get("/venues")).status == 200
    closed = await asyncio.gather(*(is_closed(reader, 5) for reader, _ in slow))
    assert all(closed)
    for _, writer in slow:
        writer.close()


def test_the_names_of_the_protocol_that_this_leans_on_are_as_they_were() -> None:
    source = inspect.getsource(RequestHandler) + inspect.getsource(BaseProtocol)
    for name in ("_request_count", "_current_request", "_messages", "_upgraded", "_reading_paused", "_buffer_paused"):
        assert f"self.{name}" in source
    assert {"connection_made", "connection_lost", "data_received", "force_close"} <= set(vars(RequestHandler))
    assert over_http.SECONDS_TO_SEND <= 15
