"""A client that keeps no manners: it writes whatever bytes a test wants onto a websocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

HANDSHAKE = "/socket.io/?EIO=4&transport=websocket"


class Raw:
    """A websocket that has been opened by the engine, and perhaps connected."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[str] = []
        self.close_code: int | None = None

    async def send(self, text: str | bytes) -> None:
        """Send one frame, if anybody still takes it."""
        with contextlib.suppress(ConnectionError):
            await (self.socket.send_bytes(text) if isinstance(text, bytes) else self.socket.send_str(text))

    async def next(self, seconds: float = 5.0) -> str | None:
        """Wait for the next packet, answering pings; None once the connection is closed."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), seconds)
            if message.type is not WSMsgType.TEXT:
                self.close_code = self.socket.close_code
                return None
            if message.data == "2":
                await self.send("3")
                continue
            self.heard.append(message.data)
            return str(message.data)

    async def is_closed_within(self, seconds: float) -> bool:
        """Tell whether the server ends the connection in time, whatever it says before."""
        try:
            async with asyncio.timeout(seconds):
                while await self.next(seconds) is not None:
                    pass
        except TimeoutError:
            return False
        return True

    async def connect(self, auth: Any = None) -> str | None:
        """Connect to the default namespace; answers what came back."""
        await self.send("40" + ("" if auth is None else orjson.dumps(auth).decode()))
        return await self.next()

    async def ask(self, name: str, payload: Any = None, number: int = 1) -> Any:
        """Send a command and read its answer."""
        await self.send(f"42{number}" + orjson.dumps([name, payload]).decode())
        while (packet := await self.next()) is not None:
            if packet.startswith(f"43{number}["):
                return orjson.loads(packet[len(f"43{number}") :])[0]
        raise ConnectionError("closed before the answer")


@contextlib.asynccontextmanager
async def raw(url: str, **options: Any) -> AsyncIterator[Raw]:
    """Open a websocket and take the engine's greeting."""
    async with ClientSession() as session, session.ws_connect(url + HANDSHAKE, **options) as socket:
        client = Raw(socket)
        greeting = await client.next()
        assert greeting is not None
        assert greeting.startswith("0{")
        yield client
