"""Fill the endpoint table: import every file of endpoints."""

from __future__ import annotations

import functools
import importlib
import pkgutil

import handlers
from handlers.endpoint import TABLE, Endpoint


@functools.cache
def table() -> dict[str, Endpoint]:
    """Answer the whole endpoint table."""
    for module in pkgutil.iter_modules(handlers.__path__):
        importlib.import_module(f"handlers.{module.name}")
    return TABLE
