"""The inbox: what payment providers tell. Verified, kept once, and only a hint to ask how things stand."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from hub.core import THE_HUB, Hub
from hub.errors import Forged
from storage import inbox as store
from storage import payments

log = logging.getLogger("hub.payments")

BY_A_PROVIDER = replace(THE_HUB, asked="inbox")


async def receive(hub: Hub, gateway_name: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Take what comes in a provider's name; tells whether it is news. Raises Forged for what is not from there.

    Nothing is believed of it but that something has happened: within the same commit the payment is due to be asked
    about, so whatever comes twice, late, in any order or while a worker dies leads to the same end.
    """
    gateway = hub.gateways_of_money[gateway_name]
    try:
        told = await gateway.read(headers, body)
    except Forged:
        log.warning("something came in the name of %s that is not from there", gateway_name)
        raise
    async with hub.work(BY_A_PROVIDER) as work:
        payment_id, outcome = None, "about no payment"
        if told.provider_id is not None:
            payment_id = await payments.by_provider_id(work.db, gateway_name, told.provider_id)
            outcome = "asked" if payment_id is not None else "unknown payment"
        is_news = await store.keep(work.db, gateway_name, told.event_id, told.kind, told.provider_id, told.at, outcome)
        if is_news and payment_id is not None:
            assert told.provider_id is not None
            await payments.ask_now(work.db, gateway_name, told.provider_id)
            await payments.ask_about_refunds(work.db, payment_id)
    return is_news
