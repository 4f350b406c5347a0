"""Watch a venue live: python watch.py 1 http://localhost:8000 (pip install python-socketio aiohttp)."""

import asyncio
import sys

import socketio

venue, url = int(sys.argv[1]), (sys.argv[2:] or ["http://localhost:8000"])[0]
hub, known = socketio.AsyncClient(), {}  # known: the version we know, and in which epoch


@hub.on("*")
async def hear(name, event):
    """Show what comes next; a state may stand for several versions at once."""
    version = event.get("version", -9)  # none: about the connection itself
    if event.get("first_version", version) <= known.get("since", -2) + 1 <= version:
        known["since"] = version
        print(version, name, event["data"], flush=True)
    elif version > known.get("since", -1):
        await catch_up()  # one is missing: ask for it


@hub.on("connect")  # again after every reconnect
async def catch_up():
    """Get a snapshot the first time; with a known version, what happened since, unless that was too long ago."""
    news = (await hub.call("venues.watch", {"venue_id": venue, **known}))["data"]
    if news.get("snapshot"):
        print(news["version"], "snapshot", news["snapshot"]["venue"]["name"], flush=True)
        known.update(since=news["version"], epoch=news["epoch"])
    for event in news.get("events") or []:
        await hear(event["name"], event)
    if news.get("more"):
        await catch_up()


async def main():
    await hub.connect(url, transports=["websocket"])
    await hub.wait()


asyncio.run(main())
