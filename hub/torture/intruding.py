"""P10 and P11: who abuses a socket is cut at once, who says nothing does not stay, and nobody else notices."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress

from hub.torture.asking import Asker, percentile
from hub.torture.follower import Crowd
from hub.torture.ground import PASSWORD, hall, people
from hub.torture.line import Hung, Line
from hub.torture.play import Play

_PATIENCE = 60.0
_SECONDS_TO_CUT = 1.0
# A machine that is busy may be late, but not as late as one that never cuts.
_SECONDS_AT_WORST = 8.0
_SECONDS_OF_SILENCE = 6.0
_MEGABYTE = 1024.0 * 1024
_TEXT, _BINARY, _CONTINUED = 0x1, 0x2, 0x0

# What no client of the hub says; each ends the connection of whoever says it.
MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", _TEXT),
    "an unknown engine packet": (b"9", _TEXT),
    "an upgrade nobody asked for": (b"5", _TEXT),
    "a probe": (b"2probe", _TEXT),
    "binary data": (b"\x04\x00", _BINARY),
    "a continuation of nothing": (b"42", _CONTINUED),
    "an opcode of the future": (b"", 0x7),
    "no text": (b'42["\xff"]', _TEXT),
    "base64 of binary": (b"bAAAA", _TEXT),
    "an event of nothing": (b"42", _TEXT),
    "an event without a name": (b"42[]", _TEXT),
    "an event that is an object": (b"42{}", _TEXT),
    "an event whose name is a number": (b"42[7]", _TEXT),
    "half a list": (b'42["hub.time"', _TEXT),
    "more than a list": (b'42["hub.time"]]', _TEXT),
    "a reserved event": (b'42["connect",{"REMOTE_ADDR":"1.2.3.4"},{"token":"x"}]', _TEXT),
    "a forged good-bye": (b'42["disconnect"]', _TEXT),
    "a forged error": (b'42["connect_error",{}]', _TEXT),
    "a second hello": (b'40{"token":"forged"}', _TEXT),
    "another namespace": (b'42/admin,["x"]', _TEXT),
    "an endless number": (b"42" + b"9" * 100 + b'["hub.time"]', _TEXT),
    "an attachment": (b'451-["x",{"_placeholder":true,"num":0}]', _TEXT),
    "ten thousand million attachments": (b'459999999999-["x"]', _TEXT),
    "a binary acknowledgement": (b"461-1[]", _TEXT),
    "an error from a client": (b'44{"message":"x"}', _TEXT),
    "a packet of no kind": (b"49", _TEXT),
    "deep JSON": (b'42["x",' + b"[" * 21 + b"]" * 21 + b"]", _TEXT),
    "very deep JSON": (b'42["x",' + b"[" * 15_000 + b"]" * 15_000 + b"]", _TEXT),
    "too large a packet": (b'42["hub.time",{"x":"' + b"y" * 40_000 + b'"}]', _TEXT),
    "a lone surrogate": (b'42["\\ud800"]', _TEXT),
}


async def cut_the_abusive(play: Play) -> None:
    """Let some flood, some send large frames and some send what no client sends, while others ask and are answered."""
    play.faults("floods", "floods of large frames", "malformed packets")
    seconds = play.lasts(45, 4)
    workers = await play.start(2, rate_limits="on", trusted_proxies=1)
    async with Asker(play.ports, play.chance) as asker:
        venue = await hall(asker, (await people(asker, 1, "vendor"))[0])
        crowd = Crowd(play.chance, play.ports)
        for _ in range(play.many(200, 16, "healthy followers")):
            crowd.add("venues", {"venue_id": venue.id})
        play.must("everybody is let in", await crowd.settled(_PATIENCE))
        abusing = _Abusing(play)
        over = asyncio.Event()
        answers: list[float] = []

        async def keep_asking() -> None:
            while not over.is_set():
                one = play.chance.choice(crowd.followers)
                if one.is_live and one.line is not None:
                    began = time.monotonic()
                    await one.line.ask("hub.time")
                    answers.append(time.monotonic() - began)
                await asyncio.sleep(0.01)

        async def keep_flooding(packet: bytes, fault: str) -> None:
            while not over.is_set():
                await abusing.flood(packet, fault)
                await asyncio.sleep(0.5)

        async def keep_babbling() -> None:
            while not over.is_set():
                for what, (packet, opcode) in MALFORMED.items():
                    await abusing.say(what, packet, opcode)
                await asyncio.sleep(0.5)

        lines = sum(len(worker.log.read_bytes().splitlines()) for worker in workers)
        large = b'42["hub.time",{"x":"' + b"y" * 32_000 + b'"}]'
        asking = asyncio.create_task(keep_asking())
        abusers = asyncio.gather(
            keep_flooding(b'42["hub.time"]', "floods"),
            *(keep_flooding(large, "floods of large frames") for _ in range(play.many(5, 2, "with large frames"))),
            *(keep_babbling() for _ in range(play.many(20, 2, "with malformed packets"))),
        )
        await asyncio.sleep(seconds)
        over.set()
        await abusers
        await asking
        lost = sum(one.began is None or not one.is_live for one in crowd.followers) + len(crowd.resumed)
        faults = [fault for one in crowd.followers for fault in one.faults]
        play.must("every abuser is cut", not abusing.spared, dict(abusing.spared) or f"{len(abusing.took)} were")
        play.within("cut, p99", percentile(abusing.took, 0.99), _SECONDS_TO_CUT)
        play.must("nobody else lost the line", not lost and not faults, f"{lost} did; {faults[:3]}" * bool(lost))
        play.must("others are answered meanwhile", bool(answers), len(answers))
        play.within("answers to others, p99", percentile(answers, 0.99) * 1000, 60, "ms")
        written = sum(len(worker.log.read_bytes().splitlines()) for worker in workers) - lines
        play.must("at most a line in the log for each abuser", written <= len(abusing.took), written)
        await crowd.leave()


class _Abusing:
    """Abusers, how soon each was cut, and who was not."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.took: list[float] = []
        self.spared: Counter[str] = Counter()
        self._numbers = 0

    async def flood(self, packet: bytes, fault: str) -> None:
        """Send a packet as often as the line takes it until the hub hangs up."""
        line = await self._call()
        began = time.monotonic()
        patience = self._patience
        while not line.over.done() and time.monotonic() - began < patience:
            for _ in range(50):
                line.send(packet)
            await asyncio.sleep(0.005)
        self._note(line, began, fault)
        self.play.bit(fault)

    async def say(self, what: str, packet: bytes, opcode: int) -> None:
        """Send one packet that no client sends."""
        line = await self._call()
        began = time.monotonic()
        line.send(packet, opcode)
        await asyncio.wait({line.over}, timeout=self._patience)
        self._note(line, began, what)
        self.play.bit("malformed packets")

    @property
    def _patience(self) -> float:
        return 2.0 if self.play.control else _SECONDS_AT_WORST

    async def _call(self) -> Line:
        self._numbers += 1
        address = f"172.16.{self._numbers >> 8 & 255}.{self._numbers & 255}"
        line = await Line.call(self.play.chance.choice(self.play.ports()), address=address)
        await line.greet()
        return line

    def _note(self, line: Line, began: float, what: str) -> None:
        if line.over.done():
            self.took.append(time.monotonic() - began)
        else:
            self.spared[what] += 1
            line.abort()


async def bear_the_silent(play: Play) -> None:
    """Let thousands connect and say nothing while people log in and watch."""
    play.faults("silent connections", "silent sockets", "polling handshakes")
    workers = await play.start(2, rate_limits="on", trusted_proxies=1)
    before = sum(worker.kernel.memory_info().rss for worker in workers)
    async with Asker(play.ports, play.chance) as asker:
        venue = await hall(asker, (await people(asker, 1, "vendor"))[0])
        members = await people(asker, play.many(100, 10, "people who log in meanwhile"))
        silent = await _say_nothing(play, play.many(5_000, 200, "silent connections"))
        play.bit("silent connections", len(silent))
        began = time.monotonic()
        lines = await _never_greet(play, play.many(2_000, 100, "silent sockets"))
        play.bit("silent sockets", len(lines))
        polled = await _poll(play, asker, play.many(2_000, 50, "polling handshakes"))
        play.must("polling is refused", set(polled) <= {400, 429}, dict(polled))
        play.bit("polling handshakes", polled[400])
        took: list[float] = []
        wrong: list[str] = []
        for member in members:
            start = time.monotonic()
            answer = await asker.insist("POST", "/auth/login", {"email": member.email, "password": PASSWORD}, member)
            if answer.status != 200:
                wrong.append(f"{answer.status}")
                continue
            try:
                line = await Line.call(play.chance.choice(play.ports()), address=member.address)
                await line.greet(answer.data["access_token"])
                await line.ask("venues.watch", {"venue_id": venue.id})
                line.abort()
            except OSError as error:
                wrong.append(str(error))
            took.append(time.monotonic() - start)
        play.must("everybody who logs in is let in", not wrong, wrong[:5] or len(took))
        play.within("logged in and watching, p95", percentile(took, 0.95), 1)
        patience = 10.0 if play.control else 30.0
        await asyncio.wait({line.over for line in lines}, timeout=max(0.0, began + patience - time.monotonic()))
        still = sum(not line.over.done() for line in lines)
        play.must(
            "sockets that say nothing are closed", not still, f"{still} of {len(lines)} still there" * bool(still)
        )
        play.within(
            "until the last of them is closed", max((line.lived for line in lines), default=0), _SECONDS_OF_SILENCE
        )
        for line in lines:
            line.abort()
        for writer in silent:
            writer.close()
        await asyncio.sleep(5 if not play.is_quick else 0.5)
        after = sum(worker.kernel.memory_info().rss for worker in workers)
        play.within("workers' memory grew by", (after - before) / _MEGABYTE, 60, "MB")


async def _say_nothing(play: Play, count: int) -> list[asyncio.StreamWriter]:
    """Open connections on which nothing is said."""
    silent = []
    for _ in range(count):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", play.chance.choice(play.ports()))
            silent.append(writer)
    return silent


async def _never_greet(play: Play, count: int) -> list[Line]:
    """Open websockets that never say who they are, as many from each address as it may have."""
    lines: list[Line] = []
    for number in range(count):
        with suppress(Hung, TimeoutError):
            address = f"172.17.{number // 25 >> 8 & 255}.{number // 25 & 255}"
            lines.append(await Line.call(play.chance.choice(play.ports()), address=address))
    return lines


async def _poll(play: Play, asker: Asker, count: int) -> Counter[int]:
    """Shake hands by polling, as clients do that know nothing of the hub."""
    statuses: Counter[int] = Counter()
    turns = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        async with turns:
            statuses[await asker.poll(f"172.18.{number >> 8 & 255}.{number & 255}")] += 1

    await asyncio.gather(*(one(number) for number in range(count)))
    return statuses
