"""One client as the live part knows it, what it asks and is answered, and the doors that know what it may."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from hub.live.frames import Frame
from hub.live.seats import Seat
from hub.live.wire import Origin, Wire

# Asks of one connection that may wait for their turn; while more arrive the client is not read.
MOST_ASKS = 64


class Refused(Exception):
    """A client is not let in, for this reason."""

    def __init__(self, sentence: str, document: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.sentence, self.document = sentence, document


class Answer(NamedTuple):
    """What a client is answered, as JSON text, and what is done right after it is on its way."""

    text: bytes
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class Ask:
    """One event of a client that waits for its turn; `number` is empty when no answer is wanted."""

    name: str
    arguments: list[Any]
    number: str


@dataclass(eq=False, slots=True)
class Connection:
    """One client: its wire, the rooms it watches, and who it is."""

    wire: Wire
    seats: dict[str, Seat] = field(default_factory=dict)
    user_id: int | None = None
    # The super admin who acts as this person.
    impersonator_id: int | None = None
    # The doors keep here who this is; the live part never looks inside.
    caller: Any = None
    check_at: float = 0.0
    is_gone: bool = False
    asks: deque[Ask] = field(default_factory=deque)
    is_answering: bool = False
    is_paused: bool = False
    # Sends events to this client; with nothing in between, for there are very many.
    hear: Callable[[Sequence[Frame], bytes], None] = field(init=False)

    def __post_init__(self) -> None:
        self.hear = self.wire.write

    def tell(self, name: str, data: Any) -> None:
        """Send an event to this client only, outside of any room."""
        self.wire.tell(name, data)

    def cut(self, reason: str) -> None:
        """End the connection; the client comes back and resumes."""
        self.wire.cut(reason)

    def leave_soon(self, reason: str) -> None:
        """End the connection once what is queued for it had a moment to go out."""
        self.wire.leave_soon(reason)


class Doors(Protocol):
    """The doors, which know rights and commands: who may come in, what may be asked, and who still may stay."""

    def origin(self, request: web.Request) -> Origin:
        """Tell where a socket comes from."""

    def welcome(self, connection: Connection) -> None:
        """Let in a client that names nobody; raise `Refused` otherwise."""

    async def arrive(self, connection: Connection, token: Any) -> None:
        """Let a client in by its token and note who it is; raise `Refused` otherwise."""

    def answer_at_once(self, connection: Connection, name: str, arguments: list[Any]) -> Answer | None:
        """Carry out an ask for which nothing has to be waited; None when something has to."""

    async def answer(self, connection: Connection, name: str, arguments: list[Any]) -> Answer:
        """Carry out an ask; a refusal is an answer too."""

    async def check(self, connection: Connection) -> None:
        """Look again at whom a connection belongs to, and take away what is no longer theirs."""
