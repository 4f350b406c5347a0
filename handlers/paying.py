"""The pages of money: checkout, wallet, operations, and what a venue charges on which terms."""

from __future__ import annotations

from aiohttp import web

from handlers.manners import POLICY, with_cards
from handlers.over_http import HUB
from handlers.personal import ACCOUNT, ADMIN, page, venue_tabs
from hub.models.money import CURRENCIES

_TEMPLATE = "money.html"


def add_paying(app: web.Application) -> None:
    """Add the pages of money."""
    app.add_routes(
        [
            web.get(r"/checkout/{booking_id:\d{1,15}}", _checkout),
            web.get("/account/wallet", _wallet),
            web.get("/admin/operations", _operations),
            web.get("/admin/offers", _offers),
            web.get(r"/venues/{venue_id:\d{1,15}}/operations", _operations_of_venue),
            web.get(r"/venues/{venue_id:\d{1,15}}/prices", _prices),
            web.get(r"/venues/{venue_id:\d{1,15}}/terms", _terms),
        ]
    )


async def _checkout(request: web.Request) -> web.Response:
    booking_id = int(request.match_info["booking_id"])
    drawn = page(
        request,
        "checkout",
        "Checkout",
        "What you pay for appears here once you are logged in.",
        f"/api/v1/bookings/{booking_id}/folio",
        template=_TEMPLATE,
        data={"booking_id": booking_id},
    )
    return _with_cards(request, drawn)


async def _wallet(request: web.Request) -> web.Response:
    drawn = page(
        request,
        "wallet",
        "Wallet",
        "Your balance appears here once you are logged in.",
        "/api/v1/wallet",
        heading="Account",
        template=_TEMPLATE,
        tabs=ACCOUNT,
        data={"currencies": sorted(CURRENCIES)},
    )
    return _with_cards(request, drawn)


def _with_cards(request: web.Request, drawn: web.Response) -> web.Response:
    """Let a page show the card provider's form, where there is one."""
    if "stripe" in request.app[HUB].gateways_of_money:
        drawn.headers["Content-Security-Policy"] = with_cards(request.app[POLICY])
    return drawn


async def _operations(request: web.Request) -> web.Response:
    waiting, api = "What waits for somebody appears here once you are logged in.", "/api/v1/operations"
    data = {"venue_id": None, "currencies": sorted(CURRENCIES)}
    return page(request, "operations", "Operations", waiting, api, template=_TEMPLATE, tabs=ADMIN, data=data)


async def _offers(request: web.Request) -> web.Response:
    waiting, api = "Offers of the whole hub appear here once you are logged in.", "/api/v1/offers"
    data = {"venue_id": None, "currencies": sorted(CURRENCIES)}
    return page(request, "prices", "Offers", waiting, api, template=_TEMPLATE, tabs=ADMIN, data=data)


async def _operations_of_venue(request: web.Request) -> web.Response:
    venue_id = int(request.match_info["venue_id"])
    tabs = await venue_tabs(request, venue_id)
    return page(
        request,
        "operations",
        "Payments",
        "Payments and refunds appear here once you are logged in.",
        f"/api/v1/payments?venue_id={venue_id}",
        heading=tabs.label,
        template=_TEMPLATE,
        tabs=tabs,
        data={"venue_id": venue_id},
    )


async def _prices(request: web.Request) -> web.Response:
    venue_id = int(request.match_info["venue_id"])
    tabs = await venue_tabs(request, venue_id)
    return page(
        request,
        "prices",
        "Prices",
        "Rates, offers and add-ons appear here once you are logged in.",
        f"/api/v1/offers?venue_id={venue_id}",
        heading=tabs.label,
        template=_TEMPLATE,
        tabs=tabs,
        data={"venue_id": venue_id},
    )


async def _terms(request: web.Request) -> web.Response:
    venue_id = int(request.match_info["venue_id"])
    tabs = await venue_tabs(request, venue_id)
    return page(
        request,
        "terms",
        "Terms",
        "The terms appear here once you are logged in.",
        f"/api/v1/venues/{venue_id}",
        heading=tabs.label,
        template=_TEMPLATE,
        tabs=tabs,
        data={"venue_id": venue_id},
    )
