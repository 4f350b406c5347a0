"""Measures this machine, each figure beside a yardstick of the same run: absolute ones belong to one machine."""

from __future__ import annotations

from hub.bench import holds, http, live, watchers
from hub.settings import Settings


async def run(settings: Settings, what: str, minutes: float) -> None:
    """Measure and print; only `watchers` is measured for as long as one likes."""
    if what == "holds":
        await holds.run(settings)
    elif what == "http":
        await http.run(settings)
    elif what == "watchers":
        await watchers.run(settings, watchers.Pace(minutes=minutes))
    else:
        await live.run(settings)
