"""Opens the payment gateways that the operator has set up."""

from __future__ import annotations

from hub.gateways import bakong, paypal, sandbox
from hub.gateways.payments import Gateways, PaymentGateway
from hub.settings import Settings
from storage.pool import Pool


def open_gateways(settings: Settings, pool: Pool) -> Gateways:
    """Open every gateway that the settings name, in the order in which they are offered."""
    possible = (
        _stripe(settings),
        paypal.from_settings(settings),
        bakong.from_settings(settings),
        sandbox.from_settings(settings, pool),
    )
    return Gateways(*(gateway for gateway in possible if gateway is not None))


def _stripe(settings: Settings) -> PaymentGateway | None:
    if settings.stripe_secret_key is None:
        return None
    # Its library is large, and loaded only by those who take cards.
    from hub.gateways import stripe

    return stripe.from_settings(settings)
