"""What a client may not do, and that the names the hardening leans on are still there."""

import asyncio
import gc
import inspect
import logging
import os
import re
import socket as sockets
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web_protocol
from aiohttp._websocket import reader_py
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol

from hub import rooms
from hub.live import hardening, wire
from hub.settings import Settings
from tests.doors import AppServer
from tests.live.conftest import Start, Watch, make_venue, tell
from tests.live.raw import HANDSHAKE, raw

# What ends the connection, by the case of the abuse catalogue it stands for.
ABUSE = {
    "E2 a second connect with forged data": '42["connect",{"REMOTE_ADDR":"1.2.3.4"},{"token":"x"}]',
    "E2 a second connect packet": '40{"token":"forged"}',
    "E3 a forged disconnect": '42["disconnect"]',
    "E3 a forged connect error": '42["connect_error",{}]',
    "E14 a binary event of ten thousand million parts": '459999999999-["x",{"_placeholder":true,"num":0}]',
    "E14 a binary event of no part": '450-["x"]',
    "E14 a binary event of one part": '451-["x",{"_placeholder":true,"num":7}]',
    "E14 a binary acknowledgement": "461-1[]",
    "E14 base64": "bAAAA",
    "E17 an object for an event": "42{}",
    "E17 an event without a name": "42[]",
    "E17 an event without anything": "42",
    "E17 an unknown packet": "9",
    "E17 an unknown packet inside a message": "49",
    "E17 nothing": "",
    "E17 an event in another namespace": '42/admin,["venues.watch",{}]',
    "E17 an acknowledgement number of 100 digits": "42" + "9" * 100 + '["hub.time"]',
    "E17 a name that is no text": "42[7,{}]",
    "E17 a broken list": '42["hub.time"',
    "E17 more after the list": '42["hub.time"]]',
    "E17 a lone surrogate": '42["\\ud800"]',
    "E17 a connect error from a client": '44{"message":"x"}',
    "E17 a probe": "2probe",
    "E17 an upgrade": "5",
    "P10 nested 21 deep": '42["x",' + "[" * 21 + "]" * 21 + "]",
    "P10 nested 15,000 deep": '42["x",' + "[" * 15_000 + "]" * 15_000 + "]",
}


@pytest.mark.abuse("E2", "E3", "E14", "E17")
async def test_abuse_ends_the_connection_with_at_most_one_line(
    app_server: AppServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    survived, chatty = [], []
    for case, packet in ABUSE.items():
        async with raw(app_server.url) as client:
            assert str(await client.connect()).startswith("40{")
            caplog.clear()
            await client.send(packet)
            if not await client.is_closed_within(1):
                survived.append(case)
        lines = [record for record in caplog.records if record.name.startswith(("hub", "engineio", "socketio"))]
        if len(lines) > 1 or "Traceback" in caplog.text:
            chatty.append((case, caplog.text))
    assert survived == chatty == []


@pytest.mark.abuse("E14")
async def test_a_binary_frame_ends_the_connection(app_server: AppServer) -> None:
    async with raw(app_server.url) as client:
        await client.connect()
        await client.send(b"\x00" * 100)
        assert await client.is_closed_within(1)


@pytest.mark.abuse("E14")
async def test_attachments_that_never_end_take_no_memory(app_server: AppServer) -> None:
    process = psutil.Process(os.getpid())
    gc.collect()
    before = process.memory_info().rss
    for _ in range(20):
        async with raw(app_server.url) as client:
            await client.connect()
            await client.send('45300-["x"]')
            for _ in range(5):
                await client.send(b"\x00" * 30_000)
            assert await client.is_closed_within(1)
    gc.collect()
    assert process.memory_info().rss - before < 10 * 1024 * 1024


@pytest.mark.abuse("E15")
@pytest.mark.parametrize("compress", [0, 15])
async def test_a_large_frame_is_closed_with_1009(app_server: AppServer, compress: int) -> None:
    async with raw(app_server.url, compress=compress) as client:
        assert client.socket.compress == 0
        await client.connect()
        await client.send('42["hub.time",{"x":"' + "y" * 40_000 + '"}]')
        assert await client.is_closed_within(1)
        assert client.close_code == 1009


@pytest.mark.abuse("E15")
async def test_a_frame_in_pieces_is_bounded_too(app_server: AppServer) -> None:
    async with raw(app_server.url) as client:
        await client.connect()
        writer = client.socket._writer
        piece = b"\x01" + bytes([0x80 | 126]) + (4096).to_bytes(2, "big") + b"\0\0\0\0" + b"y" * 4096
        transport = writer.transport
        transport.write(piece)
        for _ in range(20):
            if transport.is_closing():
                break
            transport.write(b"\x00" + piece[1:])
            await asyncio.sleep(0.01)
        assert await client.is_closed_within(1)


async def test_what_is_sent_right_behind_the_handshake_is_heard_and_a_good_bye_is_answered(
    app_server: AppServer,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(app_server.url.rpartition(":")[2]))

    def masked(first: int, payload: bytes) -> bytes:
        mask = b"\1\2\3\4"
        return bytes((first, 0x80 | len(payload))) + mask + bytes(one ^ mask[at % 4] for at, one in enumerate(payload))

    ask = b'427["hub.time",{}]'
    writer.write(
        f"GET {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        + masked(0x81, b"40")
        # An event in two pieces, with a ping between them.
        + masked(0x01, ask[:5])
        + masked(0x89, b"hello")
        + masked(0x80, ask[5:])
        + masked(0x88, b"\x03\xe8")
        + masked(0x81, b'428["hub.time",{}]')
    )
    heard = await asyncio.wait_for(reader.read(), 5)
    head, _, frames = heard.partition(b"\r\n\r\n")
    # The example of RFC 6455, 1.3.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    places = [frames.index(part) for part in (b'0{"sid"', b'40{"sid"', b"\x8a\x05hello", b"437[", b"\x88\x02\x03\xe8")]
    assert places == sorted(places)
    assert frames.endswith(b"\x88\x02\x03\xe8")
    writer.close()


@pytest.mark.parametrize(
    "left_out",
    ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Connection: Upgrade"],
)
async def test_a_handshake_that_is_none_is_refused(app_server: AppServer, left_out: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(app_server.url.rpartition(":")[2]))
    lines = [
        f"GET {HANDSHAKE} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    lines.remove(left_out)
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"400"
    assert not app_server.running.live.sockets.wires
    writer.close()


@pytest.mark.abuse("E18")
async def test_a_flood_is_cut_and_a_burst_is_not(start: Start, settings: Settings) -> None:
    worker = await start(replace(settings, rate_limits=True))
    async with raw(worker.url) as client:
        await client.connect()
        for number in range(40):
            await client.send(f'42{number}["hub.time",{{}}]')
        assert (await client.ask("hub.time", {}, 99))["ok"]
        for _ in range(200):
            await client.send('43999["an acknowledgement of nothing"]')
        assert await client.is_closed_within(1)


@pytest.mark.abuse("E6")
async def test_an_unknown_event_is_answered_and_reaches_nobody(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    watcher = await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    async with raw(app_server.url) as client:
        await client.connect()
        for name in ("booking.confirmed", "payment.succeeded", "availability.changed", "__class__", "message", "*"):
            answer = await client.ask(name, {"room": rooms.venue(venue_id)})
            assert (answer["ok"], answer["error"]["code"]) == (False, "unknown_command")
        assert (await client.ask("hub.time"))["ok"]
    await watcher.ask("hub.time")
    assert watcher.told == watcher.notes == []


@pytest.mark.parametrize("payload", ["7,8", "{},{}", '"x"', "[1]", "NaN"])
async def test_arguments_that_are_not_one_object_are_refused(app_server: AppServer, payload: str) -> None:
    async with raw(app_server.url) as client:
        await client.connect()
        await client.send(f'421["venues.watch",{payload}]')
        packet = await client.next()
        if payload == "NaN":
            assert packet is None
        else:
            assert packet is not None
            assert orjson.loads(packet[3:])[0]["error"]["code"] == "malformed"


@pytest.mark.abuse("E23")
@pytest.mark.parametrize("namespace", ["/admin", "/__proto__", "/" + "x" * 90])
async def test_other_namespaces_are_refused(app_server: AppServer, namespace: str) -> None:
    async with raw(app_server.url) as client:
        await client.send(f"40{namespace},")
        assert str(await client.next()).startswith(f"44{namespace},")
        assert await client.is_closed_within(2)


async def test_a_refused_client_is_gone_within_two_seconds(app_server: AppServer) -> None:
    async with raw(app_server.url) as client:
        answer = str(await client.connect({"token": "forged"}))
        assert answer.startswith("44{")
        assert orjson.loads(answer[2:])["data"]["code"] == "unauthenticated"
        assert await client.is_closed_within(2)


async def test_who_never_connects_is_cut(app_server: AppServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SECONDS_TO_GREET", 0.2)
    async with raw(app_server.url) as client:
        assert await client.is_closed_within(1)
    async with raw(app_server.url) as client:
        await client.connect()
        assert not await client.is_closed_within(0.5)


async def test_an_event_before_connecting_ends_the_connection(app_server: AppServer) -> None:
    async with raw(app_server.url) as client:
        await client.send('421["hub.time"]')
        assert await client.is_closed_within(1)


@pytest.mark.abuse("E9", "F8")
async def test_polling_and_foreign_origins_and_tokens_in_addresses_are_refused(app_server: AppServer) -> None:
    async with ClientSession() as session:
        for query in ("EIO=4&transport=polling", "transport=websocket", "EIO=4&transport=websocket&sid=1"):
            async with session.get(f"{app_server.url}/socket.io/?{query}") as response:
                assert response.status == 400
            async with session.post(f"{app_server.url}/socket.io/?{query}") as response:
                assert response.status == 400
        for query, headers in (
            ("&token=abc", {}),
            ("&access_token=abc", {}),
            ("", {"Origin": "https://evil.example"}),
            ("", {"Origin": "null"}),
        ):
            with pytest.raises(WSServerHandshakeError) as refused:
                await session.ws_connect(app_server.url + HANDSHAKE + query, headers=headers)
            assert refused.value.status == 400
    async with raw(app_server.url, headers={"Origin": app_server.url}) as client:
        assert str(await client.connect()).startswith("40{")


@pytest.mark.abuse("F8")
async def test_nobody_is_let_in_by_an_empty_list_of_origins(start: Start, settings: Settings) -> None:
    worker = await start()
    worker.running.live.sockets.allowed_origins = ()
    async with ClientSession() as session:
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(worker.url + HANDSHAKE, headers={"Origin": worker.url})


@pytest.mark.abuse("E19")
async def test_a_slow_reader_is_cut_and_slows_nobody(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    quick = await watch(app_server)
    await quick.ask("venues.watch", {"venue_id": venue_id})
    live = app_server.running.live
    slow = sockets.create_connection(("127.0.0.1", int(app_server.url.rpartition(":")[2])))
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        slow,
        f"GET {HANDSHAKE} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode(),
    )
    await loop.sock_recv(slow, 4096)
    for text in ("40", f'421["venues.watch",{{"venue_id":{venue_id}}}]'):
        await loop.sock_sendall(slow, bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text.encode())
    await quick.until(lambda: len(live.fanout.members(room)) == 2)
    big = "x" * 16_000
    versions = []
    for _ in range(600):
        async with app_server.hub.pool.acquire() as db:
            rows = await db.fetch(
                "SELECT version, at FROM append_events(ARRAY[$1], ARRAY['venue.changed'], ARRAY[$2::json])",
                room,
                f'{{"x":"{big}"}}',
            )
        versions.append(rows[0]["version"])
        if len(versions) % 50 == 0:
            live.fanout.look_soon()
            await quick.reach(room, versions[-1])
    await quick.until(lambda: len(live.fanout.members(room)) == 1)
    await quick.until(lambda: len(live.sockets.wires) == 1)
    assert quick.faults == []
    slow.close()


async def test_a_dropped_client_leaves_nothing_behind(app_server: AppServer, watch: Watch) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    live = app_server.running.live
    watcher = await watch(app_server)
    await watcher.ask("venues.watch", {"venue_id": venue_id})
    await watcher.cut()
    await watcher.until(lambda: not live.sockets.wires and not list(live.connections))
    assert live.sockets._waiting == {}
    assert not live.sockets.crowd.counts
    assert live.fanout._rooms == {}


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_private_names_that_the_takeover_leans_on_are_as_they_were() -> None:
    # The compiled classes have no signature; the same file in Python does.
    assert parameters(reader_py.WebSocketDataQueue) == ["protocol", "limit", "loop"]
    assert parameters(reader_py.WebSocketReader) == ["queue", "max_msg_size", "compress", "decode_text"]
    assert parameters(WebSocketDataQueue.feed_data) == ["self", "data", "size"]
    assert parameters(WebSocketDataQueue.set_exception) == ["self", "exc", "exc_cause"]
    handler = web_protocol.RequestHandler
    assert {"_message_tail", "_force_close"} <= set(handler.__slots__)
    assert "transport" in BaseProtocol.__slots__
    # What is let go is let go wholly: no timer, no task and no table keeps it, and nothing is closed.
    letting_go = inspect.getsource(handler.connection_lost)
    assert "self._manager.connection_lost(self, exc)" in letting_go
    assert "self._keepalive_handle.cancel()" in letting_go
    assert "if self.transport is not None" in inspect.getsource(handler.force_close)
    assert "await prepare_meth(request)" in inspect.getsource(handler.finish_response)
    assert "await resp.write_eof()" in inspect.getsource(handler.finish_response)


@pytest.mark.abuse("E13")
def test_no_event_is_ever_emitted_without_naming_its_hearers() -> None:
    for file in Path(hardening.__file__).parent.glob("*.py"):
        text = file.read_text()
        assert text.count(".emit(") == len(re.findall(r"\.emit\([^()]*, to=", text)), file


async def test_answers_and_events_are_packets_as_the_protocol_has_them(app_server: AppServer) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    async with raw(app_server.url) as client:
        await client.connect()
        answer = await client.ask("venues.watch", {"venue_id": venue_id})
        await tell(app_server.hub, rooms.venue(venue_id))
        told = await client.next()
        assert answer["data"]["version"] == 0
        assert told is not None
        assert told.startswith('42["venue.changed",{"room":"venue:')
