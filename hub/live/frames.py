"""An event made ready for the wire once, whoever many it then travels to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage.event_log import Told


@dataclass(slots=True)
class Frame:
    """One event as the text of its Socket.IO packet, with what is needed to put it in its place."""

    room: str
    version: int
    text: str
    # What the socket server makes of it, once, for the first who hears it and all the others.
    packet: Any = field(default=None, repr=False, compare=False)

    def payload(self) -> str:
        """Write the frame for Redis, whose channel already names the room."""
        return f"{self.version} {self.text}"

    @classmethod
    def of_payload(cls, room: str, payload: bytes) -> Frame:
        """Read what another worker wrote."""
        version, _, text = payload.decode().partition(" ")
        return cls(room, int(version), text)


def envelope(epoch: str, told: Told) -> str:
    """Write the envelope of an event; its data is JSON already, and the other fields need no escaping."""
    return (
        f'{{"room":"{told.room}","epoch":"{epoch}","version":{told.version},"name":"{told.name}",'
        f'"at":"{told.at.isoformat()}","data":{told.data}}}'
    )


def frame(epoch: str, told: Told) -> Frame:
    """Make an event ready: a Socket.IO event of the fact's name with the envelope as its one argument."""
    return Frame(told.room, told.version, f'2["{told.name}",{envelope(epoch, told)}]')
