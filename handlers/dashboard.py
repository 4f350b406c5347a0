"""The dashboard's figures and today's roster."""

from __future__ import annotations

from handlers.endpoint import Call, endpoint
from hub.models.dashboard import AskDashboard, Dashboard
from hub.services import dashboard


@endpoint("dashboard.show", "GET /dashboard")
async def show(call: Call, ask: AskDashboard) -> Dashboard:
    """Show the key figures, the last and next 30 days and today's roster of one venue, or of all one runs."""
    return await dashboard.show(call.hub, call.actor, ask)
