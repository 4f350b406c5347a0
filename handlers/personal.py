"""The pages of what is somebody's own: drawn with everything but that, and filled once it is known who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from aiohttp import web

from handlers.drawing import LANGUAGES, draw
from handlers.entering import sentence
from handlers.over_http import HUB
from hub.core import GUEST
from hub.models.audit import AuditOperation
from hub.models.money import CURRENCIES
from hub.models.webhooks import USUAL, DeskEvent, VenueEvent
from hub.services import access, identities


@dataclass(frozen=True, slots=True)
class Tabs:
    """Pages that belong together, with the one of the frame they belong to."""

    label: str
    here: str
    pages: tuple[tuple[str, str], ...]


ACCOUNT = Tabs(
    "Account",
    "/account",
    (("/account", "Profile"), ("/account/security", "Log-in and security"), ("/account/wallet", "Wallet")),
)
ADMIN = Tabs(
    "Administration",
    "/admin",
    (
        ("/admin/users", "People"),
        ("/admin/roles", "Roles"),
        ("/admin/operations", "Operations"),
        ("/admin/offers", "Offers"),
        ("/admin/audit", "Audit trail"),
    ),
)


# What people can be told of, and whether they are as long as they have not said.
_CHOICES = (
    ("email", "by e-mail", True),
    ("sms", "by SMS, to a verified telephone", False),
    ("booking.confirmed", "a booking is confirmed", True),
    ("booking.rescheduled", "a booking has moved", True),
    ("booking.reduced", "a part of a booking is cancelled", True),
    ("booking.cancelled", "a booking is cancelled", True),
    ("booking.reminder", "a booking begins within a day", True),
    ("payment.completed", "a payment has come in", True),
    ("instalment.due", "a payment will be due", True),
    ("instalment.missed", "a payment was missed", True),
)
# What is written down, as the trail calls it.
_ENTITIES = (
    *("user", "user_role", "role", "role_permission", "identity", "second_factor", "login", "file"),
    *("venue", "venue_staff", "venue_invitation", "room_type", "room", "session", "closure", "addon"),
    *("booking", "booking_item", "payment", "refund", "instalment", "rate", "offer", "adjustment", "account"),
    *("check_in", "calendar_feed", "webhook"),
)

_LONGEST_ID = 15


def add_personal(app: web.Application) -> None:
    """Add the pages of what is somebody's own."""
    app.add_routes(
        [
            web.get("/dashboard", _dashboard),
            web.get("/bookings", _bookings),
            web.get("/account", _account),
            web.get("/account/security", _security),
            web.get(r"/venues/{venue_id:\d{1,15}}/staff", _staff),
            web.get(r"/venues/{venue_id:\d{1,15}}/webhooks", _webhooks),
            web.get("/admin", _admin),
            web.get("/admin/users", _users),
            web.get(r"/admin/users/{user_id:\d{1,15}}", _user),
            web.get("/admin/roles", _roles),
            web.get("/admin/audit", _audit),
        ]
    )


async def _dashboard(request: web.Request) -> web.Response:
    return draw("dashboard.html", "dashboard")


async def _bookings(request: web.Request) -> web.Response:
    return draw("bookings.html", "bookings")


def page(
    request: web.Request,
    script: str,
    title: str,
    waiting: str,
    api: str,
    *,
    heading: str = "",
    template: str = "personal.html",
    tabs: Tabs | None = None,
    data: dict[str, Any] | None = None,
    **shown: Any,
) -> web.Response:
    """Draw a page that waits for whoever is logged in."""
    shown = {"done": "", "sentence": "", "path": request.path} | shown
    shown |= {"title": title, "heading": heading or title, "waiting": waiting, "tabs": tabs}
    return draw(template, script, data, api=f"The same is at {api}.", **shown)


async def _account(request: web.Request) -> web.Response:
    data = {"languages": LANGUAGES, "currencies": sorted(CURRENCIES), "choices": _CHOICES}
    waiting = "Your profile appears here once you are logged in."
    return page(request, "profile", "Account", waiting, "/api/v1/me", tabs=ACCOUNT, data=data)


async def _security(request: web.Request) -> web.Response:
    waiting = "Your devices and ways to log in appear here once you are logged in."
    title, api = "Log-in and security", "/api/v1/me/logins"
    providers = identities.socials(request.app[HUB]).items
    linked = next((one.title for one in providers if one.provider == request.query.get("linked")), None)
    return page(
        request,
        "security",
        title,
        waiting,
        api,
        heading="Account",
        tabs=ACCOUNT,
        data={"providers": [one.model_dump() for one in providers]},
        done=f"{linked} opens your account now." if linked else "",
        sentence=sentence(request.query.get("refused", "")),
    )


async def _staff(request: web.Request) -> web.Response:
    venue_id = int(request.match_info["venue_id"])
    tabs = await venue_tabs(request, venue_id)
    waiting, api = "Who works here appears once you are logged in.", f"/api/v1/venues/{venue_id}/staff"
    return page(request, "staff", "Staff", waiting, api, heading=tabs.label, tabs=tabs, data={"venue_id": venue_id})


async def _webhooks(request: web.Request) -> web.Response:
    venue_id = int(request.match_info["venue_id"])
    tabs = await venue_tabs(request, venue_id)
    return page(
        request,
        "webhooks",
        "Webhooks",
        "Where events are sent to appears once you are logged in.",
        f"/api/v1/venues/{venue_id}/webhooks",
        heading=tabs.label,
        tabs=tabs,
        data={"venue_id": venue_id, "events": [*get_args(DeskEvent), *get_args(VenueEvent)], "usual": USUAL},
    )


async def venue_tabs(request: web.Request, venue_id: int) -> Tabs:
    """Name the pages about one venue, for those who run it."""
    async with request.app[HUB].reading() as db:
        venue = await access.venue(db, GUEST, venue_id)
    pages = (
        (f"/venues/{venue_id}", "What is offered"),
        (f"/venues/{venue_id}/prices", "Prices"),
        (f"/venues/{venue_id}/terms", "Terms"),
        (f"/venues/{venue_id}/operations", "Payments"),
        (f"/venues/{venue_id}/staff", "Staff"),
        (f"/venues/{venue_id}/webhooks", "Webhooks"),
        (f"/admin/audit?venue_id={venue_id}", "Audit trail"),
    )
    return Tabs(venue.name, "/dashboard", pages)


async def _admin(request: web.Request) -> web.Response:
    raise web.HTTPFound("/admin/users")


async def _users(request: web.Request) -> web.Response:
    typed = {name: request.query.get(name, "").strip() for name in ("q", "role", "status", "sort")}
    return page(
        request,
        "users",
        "People",
        "People appear here once you are logged in.",
        "/api/v1/users",
        template="users.html",
        tabs=ADMIN,
        typed=typed,
        data={"languages": LANGUAGES},
    )


async def _user(request: web.Request) -> web.Response:
    user_id = int(request.match_info["user_id"])
    waiting, api = "This person appears here once you are logged in.", f"/api/v1/users/{user_id}"
    return page(request, "user", "Person", waiting, api, tabs=ADMIN, data={"user_id": user_id, "languages": LANGUAGES})


async def _roles(request: web.Request) -> web.Response:
    waiting = "Roles and what they allow appear here once you are logged in."
    return page(request, "roles", "Roles", waiting, "/api/v1/roles", tabs=ADMIN)


async def _audit(request: web.Request) -> web.Response:
    typed = {name: value.strip() for name, value in request.query.items()}
    venue_id = typed.get("venue_id", "")
    is_venue = venue_id.isascii() and venue_id.isdigit() and len(venue_id) <= _LONGEST_ID
    tabs = await venue_tabs(request, int(venue_id)) if is_venue else ADMIN
    return page(
        request,
        "audit",
        "Audit trail",
        "Who changed what appears here once you are logged in.",
        "/api/v1/audit",
        heading=tabs.label if is_venue else "",
        template="audit.html",
        tabs=tabs,
        path=tabs.pages[-1][0],
        typed=typed,
        operations=get_args(AuditOperation),
        entities=_ENTITIES,
    )
