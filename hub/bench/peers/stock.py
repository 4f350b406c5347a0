"""The peer: python-socketio on aiohttp as its documentation shows it, with uvloop and orjson. python stock.py PORT."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import socketio
import uvloop
from aiohttp import web


class JSON:
    """orjson in the place of json."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(thing: Any, **_: Any) -> str:
        """Write JSON text."""
        return orjson.dumps(thing).decode()


def build() -> web.Application:
    """Make the server."""
    server = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], json=JSON)
    app = web.Application()
    server.attach(app)

    async def watch(sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        room = f"venue:{ask['venue_id']}"
        await server.enter_room(sid, room)
        return {"ok": True, "data": {"room": room, "version": 0}}

    async def time(_sid: str, _ask: Any) -> dict[str, Any]:
        return {"ok": True, "data": {"at": datetime.now(UTC).isoformat()}}

    async def tell(_sid: str, envelope: dict[str, Any]) -> None:
        await server.emit(envelope["name"], envelope, room=envelope["room"])

    server.on("venues.watch", watch)
    server.on("hub.time", time)
    server.on("tell", tell)
    return app


if __name__ == "__main__":
    uvloop.install()
    web.run_app(
        build(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=lambda _: print("ready", flush=True)
    )
