"""How many sockets there are here: of one person, of one address without a login, and not yet let in at all."""

from __future__ import annotations

from collections import Counter

from hub.errors import TooManyRequests

MOST_OF_A_PERSON = 10
MOST_WITHOUT_LOGIN = 30
MOST_WAITING = 2000
# Seconds after which a client may find that an old connection of its own is gone: the pings have missed it.
TRY_AGAIN = 20.0

# What a socket counts as: one that waits or is a guest's, by its network; or a person's, by their id.
Kind = tuple[str, str | int]


class TooManySockets(TooManyRequests):
    """There are as many live connections as one person or one address may have; close one first."""

    code = "too_many_sockets"


class Crowd:
    """Counts the sockets of one worker."""

    def __init__(self, *, is_limited: bool) -> None:
        self.is_limited = is_limited
        self.counts: Counter[Kind] = Counter()
        self.waiting = 0

    def come(self, network: str) -> Place:
        """Let a socket wait to be let in, or refuse it."""
        is_full = self.counts["waiting", network] >= MOST_WITHOUT_LOGIN or self.waiting >= MOST_WAITING
        if self.is_limited and is_full:
            raise TooManySockets(retry_after=TRY_AGAIN)
        return Place(self, network)

    def judge(self, kind: Kind, others_waiting: int) -> None:
        """Refuse one more socket of a kind when there are as many as there may be."""
        most = MOST_OF_A_PERSON if kind[0] == "person" else MOST_WITHOUT_LOGIN - others_waiting
        if self.is_limited and self.counts[kind] >= most:
            raise TooManySockets(retry_after=TRY_AGAIN)

    def count(self, kind: Kind, change: int) -> None:
        """Count a socket in or out; what is counted down to nothing is forgotten."""
        self.counts[kind] += change
        if not self.counts[kind]:
            del self.counts[kind]
        if kind[0] == "waiting":
            self.waiting += change


class Place:
    """What one socket counts as: it waits, then is a guest's or a person's, and counts no more once it has left."""

    def __init__(self, crowd: Crowd, network: str) -> None:
        self._crowd, self._network = crowd, network
        self._kind: Kind | None = ("waiting", network)
        crowd.count(self._kind, 1)

    @property
    def is_settled(self) -> bool:
        """Tell whether the socket was let in."""
        return self._kind is None or self._kind[0] != "waiting"

    def settle(self, user_id: int | None) -> None:
        """Count as a person's socket from now on, or as a guest's; refuse it when there are too many."""
        kind: Kind = ("guest", self._network) if user_id is None else ("person", user_id)
        if self._kind in (None, kind):
            return
        is_waiting = self._kind == ("waiting", self._network)
        # Those that wait may all turn out to be guests.
        self._crowd.judge(kind, self._crowd.counts["waiting", self._network] - is_waiting)
        self.leave()
        self._kind = kind
        self._crowd.count(kind, 1)

    def leave(self) -> None:
        """Count no more."""
        if self._kind is not None:
            self._crowd.count(self._kind, -1)
            self._kind = None
