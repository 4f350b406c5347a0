"""Find: one search over venues and sessions, with what is free of them."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.search import Findings, Search
from hub.services import search


@endpoint("search.find", "GET /search", may=EVERYBODY)
async def find(call: Call, ask: Search) -> Findings:
    """Find venues and sessions by place, dates, guests, kind and price, with how much of each is free.

    When nothing matches all filters, as few as possible are given up, and `relaxed` names them.
    """
    return await search.find(call.hub, call.actor, ask)
