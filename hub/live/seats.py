"""Who watches a room, and what each is passed on of what has happened there: everything once, and in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.live.coalescing import coalesced
from hub.live.frames import Frame


class Hearer(Protocol):
    """Somebody who watches: a connection."""

    def hear(self, frames: Sequence[Frame], joined: bytes) -> None:
        """Take events, and all of them as they are written to a websocket; never waits, never raises."""

    def cut(self, reason: str) -> None:
        """Go away at once; whoever it was comes back and resumes."""


class Batch:
    """What is passed on at once, made ready for all who need the whole of it, and for those who know the beginning."""

    __slots__ = ("_later", "first", "frames", "joined", "last", "told")

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames, self.first, self.last = frames, frames[0].version, frames[-1].version
        self.told = coalesced(frames)
        self.joined = _join(self.told)
        self._later: dict[int, Batch] = {}

    def after(self, version: int) -> Batch:
        """Leave out what somebody knows who stands at this version."""
        later = self._later.get(version)
        if later is None:
            later = self._later[version] = Batch([ready for ready in self.frames if ready.version > version])
        return later


@dataclass(slots=True)
class Seat:
    """One watcher in one room; until its snapshot is on the way, what happens is kept for it."""

    hearer: Hearer
    known: int | None = None
    kept: list[Frame] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """Pass events on, unless the watcher knows them already."""
        if self.known is None:
            self.kept.extend(batch.frames)
        elif batch.first > self.known:
            self.hearer.hear(batch.told, batch.joined)
        elif batch.last > self.known:
            rest = batch.after(self.known)
            self.hearer.hear(rest.told, rest.joined)

    def begin(self, version: int) -> None:
        """Pass on everything after this version, from what was kept and from now on."""
        self.known = version
        kept, self.kept = self.kept, []
        if kept:
            self.take(Batch(kept))
            self.known = max(version, kept[-1].version)


def _join(frames: Sequence[Frame]) -> bytes:
    return frames[0].framed if len(frames) == 1 else b"".join([ready.framed for ready in frames])
