"""Tickets: what the hub signs for a few minutes and one purpose, to get it back from a browser unchanged."""

from __future__ import annotations

from typing import Any

import jwt

from hub.core import Hub
from hub.tokens import ALGORITHM, signing_key

_LONGEST = 4096


def issue(hub: Hub, purpose: str, said: dict[str, Any], seconds: int) -> str:
    """Sign what is said, for one purpose and so many seconds of the database's clock."""
    expires = int(hub.clock.now().timestamp()) + seconds
    return jwt.encode({"said": said, "exp": expires}, signing_key(hub.settings, f"ticket: {purpose}"), ALGORITHM)


def read(hub: Hub, purpose: str, ticket: str) -> dict[str, Any] | None:
    """Answer what a ticket says; None for one that is forged, of another purpose or too old."""
    if len(ticket) > _LONGEST:
        return None
    try:
        told = jwt.decode(
            ticket,
            signing_key(hub.settings, f"ticket: {purpose}"),
            algorithms=[ALGORITHM],
            # Time is judged by the database's clock, not by this machine's.
            options={"require": ["said", "exp"], "verify_exp": False},
        )
    except (jwt.PyJWTError, ValueError):
        return None
    said = told["said"]
    return said if isinstance(said, dict) and told["exp"] > hub.clock.now().timestamp() else None
