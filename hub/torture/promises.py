"""The promises, in the order in which they are played, each with the guard that its control takes away."""

from __future__ import annotations

from hub.torture import delivering
from hub.torture.play import Control, Promise

PROMISES: dict[str, Promise] = {
    promise.id: promise
    for promise in (
        Promise(
            "P7",
            "Every event is seen once and in order",
            delivering.deliver,
            Control(changes=("no_gap_repair",)),
        ),
    )
}
