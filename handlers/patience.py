"""How long the hub waits for a client: for the head of a request, for its body, and for the next one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from handlers.problems import problem
from hub.errors import Malformed

# Of an answer that never reaches the application and its manners.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Server": "booking-hub",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Seconds from the first byte of a head (or from connecting) to its last.
SECONDS_FOR_HEAD = 10.0
# A body that comes more slowly than this, looked at as often as that, is not waited for.
SLOWEST_BODY = 1024
SECONDS_BETWEEN_LOOKS = 10.0
# Seconds that a connection may stay open between two requests; proxies in front give theirs up sooner.
SECONDS_AT_REST = 75.0
# Seconds for which what is left of a body is read when the answer was given without it.
SECONDS_TO_LINGER = 2.0

MANNERS: dict[str, Any] = {
    "keepalive_timeout": SECONDS_AT_REST,
    "lingering_time": SECONDS_TO_LINGER,
    # In characters: the request line, one header, and how many headers there may be.
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 100,
    # The hub reads nothing compressed, so nothing is unpacked before that is noticed.
    "auto_decompress": False,
}


class PatientHandler(RequestHandler):
    """One connection; leans on names of aiohttp's protocol that tests/abuse/test_slow_clients.py looks after."""

    __slots__ = ("_due", "_heard", "_looking", "_stuck", "when_lost")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._due: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        # Bytes heard since the last look, and bytes that waited to be sent at the last look.
        self._heard = self._stuck = 0
        # What is done at once when the client goes although it is not answered yet.
        self.when_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()
        self._looking = self._loop.call_later(SECONDS_BETWEEN_LOOKS, self._look)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        if self.when_lost is not None:
            self.when_lost()
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and note whether a head is on its way."""
        self._heard += len(data)
        before = self._request_count
        super().data_received(data)
        if self._request_count > before or self._upgraded:
            self._wait_no_longer()
        elif self._current_request is None and not self._messages and self._due is None:
            self._wait_for_head()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be read as HTTP, in one sentence and without a word in the log: anybody may send it."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        document = problem(Malformed("This is no request that HTTP knows."), "", secrets.token_hex(8))
        response = web.Response(
            status=400, body=orjson.dumps(document), content_type="application/problem+json", headers=HEADERS
        )
        response.force_close()
        return response

    def _wait_for_head(self) -> None:
        self._due = self._loop.call_later(SECONDS_FOR_HEAD, self._give_up)

    def _wait_no_longer(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        self._due = None
        self.force_close()

    def _look(self) -> None:
        heard, self._heard = self._heard, 0
        stuck, self._stuck = self._stuck, self._unsent()
        self._looking = self._loop.call_later(SECONDS_BETWEEN_LOOKS, self._look)
        request = self._current_request
        # A sender that was told to wait is not slow.
        is_waited_for = not self._reading_paused and not self._buffer_paused and not self._upgraded
        is_slow = heard < SLOWEST_BODY * SECONDS_BETWEEN_LOOKS
        if request is not None and is_waited_for and is_slow and not request.content.is_eof():
            self.force_close()
        elif self._paused and stuck and stuck == self._stuck and self.transport is not None:
            self.transport.abort()

    def _unsent(self) -> int:
        return self.transport.get_write_buffer_size() if self._paused and self.transport is not None else 0


class PatientServer(web.Server):
    """Makes a connection of its own kind for whoever comes."""

    def __call__(self) -> RequestHandler:
        """Make a connection."""
        return PatientHandler(self, loop=self._loop, **self._kwargs)


class PatientRunner(web.AppRunner):
    """Runs an application on connections whose patience is limited."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, access_log=None, **(MANNERS | options))

    async def _make_server(self) -> Any:
        server = await super()._make_server()
        # The application makes its server itself, and of one kind only.
        server.__class__ = PatientServer
        return server
