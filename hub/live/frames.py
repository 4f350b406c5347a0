"""An event made ready for the wire once, whoever many it then travels to."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.event_log import Told


@dataclass(slots=True)
class Frame:
    """One event as the text of its Socket.IO packet, with what is needed to put it in its place."""

    room: str
    version: int
    text: str
    _framed: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def framed(self) -> bytes:
        """Answer what is written to every watcher's websocket, made for the first of them."""
        if self._framed is None:
            self._framed = framed(self.text)
        return self._framed

    @property
    def envelope(self) -> str:
        """Answer the event without the packet around it; its name, which comes first, holds no comma."""
        return self.text[self.text.index(",") + 1 : -1]

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


def framed(text: str) -> bytes:
    """Frame a Socket.IO packet for the wire: an Engine.IO message in a text frame, which a server never masks."""
    return text_frame("4" + text)


def text_frame(text: str) -> bytes:
    """Write one websocket text frame (RFC 6455, 5.2)."""
    data = text.encode()
    size = len(data)
    return (bytes((0x81, size)) if size < 126 else _long_head(size)) + data


def pong_frame(data: bytes) -> bytes:
    """Write the answer to a websocket's ping, which is never longer than 125 bytes."""
    return bytes((0x8A, len(data))) + data


def close_frame(code: int) -> bytes:
    """Write the last frame of a websocket, with the reason's number."""
    return b"\x88\x02" + code.to_bytes(2, "big")


def acknowledgement(number: str, answer: bytes) -> bytes:
    """Frame the answer to an ask, which is JSON text already: the same as `framed`, without a copy as text."""
    size = len(number) + len(answer) + 4
    head = bytes((0x81, size)) if size < 126 else _long_head(size)
    return b"%b43%b[%b]" % (head, number.encode(), answer)


def _long_head(size: int) -> bytes:
    return b"\x81\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x81\x7f" + size.to_bytes(8, "big")
