"""What a public room begins with, kept for a moment so that a crowd that comes at once costs one look.

It is what was read at its version, and what was told after that: whoever begins with it knows what everybody does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.live.coalescing import is_state
from hub.live.frames import Frame

# Seconds for which it is kept, and events that may be told after it before it is read anew.
KEPT_SECONDS = 2.0
MOST_LATER = 50


@dataclass(eq=False, slots=True)
class Beginning:
    """A snapshot as it is answered, its version, and the events after it as far as they were passed on."""

    version: int
    text: bytes
    later: list[Frame] = field(default_factory=list)

    def note(self, ready: Frame) -> bool:
        """Add what was told now; False when nobody should begin from here any more."""
        if ready.version <= self.version:
            return True
        self.later.append(ready)
        # A fact may be that nobody is to see this venue any more.
        return is_state(ready) and len(self.later) <= MOST_LATER
