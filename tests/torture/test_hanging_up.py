"""Whoever hangs up amid a request leaves no traceback behind: anybody could fill the log with them."""

import asyncio
import logging
import socket
import struct
from collections.abc import Iterator

import pytest

from hub import app
from tests.doors import AppServer
from tests.live.client import soon

SERVER = logging.getLogger("aiohttp.server")


class Kept(logging.Handler):
    """Keeps what the server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    SERVER.addHandler(handler)
    yield handler
    SERVER.removeHandler(handler)
    SERVER.removeFilter(app._is_ours)


async def hang_up(worker: AppServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
    head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f'{head}Content-Length: 100\r\n\r\n{{"email": '.encode())
    await asyncio.sleep(0.2)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await asyncio.sleep(0.3)


async def test_a_request_that_is_cut_off_is_not_logged_as_a_fault(app_server: AppServer, kept: Kept) -> None:
    SERVER.addFilter(app._is_ours)
    await hang_up(app_server)
    assert kept.records == []


async def test_control_without_the_filter_it_would_be(app_server: AppServer, kept: Kept) -> None:
    await hang_up(app_server)
    await soon(lambda: bool(kept.records))
    assert [record.exc_info[0] for record in kept.records if record.exc_info] == [ConnectionResetError]
