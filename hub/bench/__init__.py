"""Measures this machine, each figure beside a yardstick of the same run: absolute ones belong to one machine."""

from __future__ import annotations

from hub.bench import holds, http, live
from hub.settings import Settings


async def run(settings: Settings, what: str) -> None:
    """Measure and print."""
    if what == "holds":
        await holds.run(settings)
    elif what == "http":
        await http.run(settings)
    else:
        await live.run(settings)
