"""Fill the endpoint table and the registry of facts: import every file that declares one."""

from __future__ import annotations

import functools
import importlib
import pkgutil

import handlers
import hub.events
from handlers.endpoint import TABLE, Endpoint
from hub.events import REGISTRY, Event


@functools.cache
def table() -> dict[str, Endpoint]:
    """Answer the whole endpoint table."""
    for module in pkgutil.iter_modules(handlers.__path__):
        importlib.import_module(f"handlers.{module.name}")
    return TABLE


@functools.cache
def facts() -> dict[str, type[Event]]:
    """Answer the whole registry of facts."""
    for module in pkgutil.iter_modules(hub.events.__path__):
        importlib.import_module(f"hub.events.{module.name}")
    return REGISTRY
