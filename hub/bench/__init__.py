"""Measures this machine, each figure beside a yardstick of the same run: absolute ones belong to one machine."""

from __future__ import annotations

from hub.bench import holds
from hub.errors import HubError
from hub.settings import Settings


class NotMeasured(HubError):
    """There is no such measurement yet; holds can be measured."""

    code, status = "not_measured", 404


async def run(settings: Settings, what: str) -> None:
    """Measure and print."""
    if what != "holds":
        raise NotMeasured()
    await holds.run(settings)
