"""Quotes: what a basket would come to, for anybody to ask."""

from __future__ import annotations

from handlers.endpoint import EVERYBODY, Call, endpoint
from hub.models.quotes import AskQuote, Quote
from hub.services import quotes


@endpoint("quotes.ask", "POST /quotes", may=EVERYBODY)
async def ask(call: Call, ask: AskQuote) -> Quote:
    """Price a basket, line by line, with its payment plans and what cancelling would pay back; nothing is held.

    The answer's token holds the basket at just this agreement, or says that it is over.
    """
    return await quotes.quote(call.hub, call.actor, ask)
