"""The clients of examples/: run as a newcomer runs them, cut off, and back without a gap."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub import rooms
from tests.doors import AppServer
from tests.live.conftest import make_venue, tell
from tests.live.following import node

ROOT = Path(__file__).parents[2]


class Watcher:
    """An example's process, and the lines it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[list[str]] = []

    async def reach(self, count: int) -> list[list[str]]:
        assert self.process.stdout
        async with asyncio.timeout(15):
            while len(self.lines) < count:
                line = await self.process.stdout.readline()
                assert line, "the example has ended"
                self.lines.append(line.decode().strip().split(" ", 2))
        return self.lines


@contextlib.asynccontextmanager
async def watching(example: str, venue_id: int, url: str, folder: Path) -> AsyncIterator[Watcher]:
    if example.endswith(".mjs"):
        # node looks for packages beside the file
        (folder / "node_modules").symlink_to(ROOT / "static" / "node_modules")
        (folder / example).write_text((ROOT / "examples" / example).read_text())
        command = [node(), str(folder / example)]
    else:
        command = [sys.executable, str(ROOT / "examples" / example)]
    process = await asyncio.create_subprocess_exec(
        *command, str(venue_id), url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=2**20
    )
    try:
        yield Watcher(process)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("example", ["watch.mjs", "watch.py"])
async def test_it_shows_a_snapshot_then_every_event_once_also_those_it_was_cut_off_from(
    app_server: AppServer, tmp_path: Path, example: str
) -> None:
    venue_id, _ = await make_venue(app_server.hub)
    room = rooms.venue(venue_id)
    async with watching(example, venue_id, app_server.url, tmp_path) as watcher:
        [snapshot] = await watcher.reach(1)
        assert snapshot[1:] == ["snapshot", "Sala Norte"]
        first = int(snapshot[0])
        await tell(app_server.hub, room, 3)
        await watcher.reach(4)
        for wire in list(app_server.running.live.sockets.wires.values()):
            wire.abort()
        await tell(app_server.hub, room, 20)
        await watcher.reach(24)
        await tell(app_server.hub, room, 2)
        lines = await watcher.reach(26)
    assert [int(version) for version, *_ in lines[1:]] == list(range(first + 1, first + 26))
    assert {name for _, name, _ in lines[1:]} == {"venue.changed"}


def test_the_examples_stay_short() -> None:
    for example in (ROOT / "examples").glob("watch.*"):
        lines = [line.strip() for line in example.read_text().splitlines()]
        code = [line for line in lines if line and not line.startswith(("//", '"""'))]
        assert len(code) <= 27, f"{example.name} has {len(code)} lines"
