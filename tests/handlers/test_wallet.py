"""Wallets over HTTP: amounts are whole numbers, and what is asked again takes effect once."""

from typing import Any

import pytest

from tests.doors import AppServer, Http, People

REASON = "The tea was cold."


@pytest.mark.abuse("H24")
async def test_wallets_are_moved_by_whole_numbers_and_once_for_each_key(app_server: AppServer, http: Http) -> None:
    people = People(app_server.hub)
    admin, guest = await people.admin(), await people.customer()
    body: dict[str, Any] = {"user_id": guest.id, "amount": 1999, "currency": "EUR", "reason": REASON}
    key = {"Idempotency-Key": "once"}
    first = await http.post("/wallet/adjustments", body, as_=admin, headers=key)
    again = await http.post("/wallet/adjustments", body, as_=admin, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await http.get("/wallet", as_=guest)).data == {
        "balances": [{"user_id": guest.id, "currency": "EUR", "balance": 1999, "frozen_at": None}]
    }
    (entry,) = (await http.get("/wallet/entries", as_=guest)).data["items"]
    assert (entry["kind"], entry["amount"], entry["balance"], entry["reason"]) == ("adjustment", 1999, 1999, REASON)
    assert (await http.get("/points", as_=guest)).data == {"user_id": guest.id, "points": 0, "earned": 0, "used": 0}

    for amount in (0.1 + 0.2, 1e-7, 19.0, "100", 0, None, True, 10**15):
        refused = await http.post("/wallet/adjustments", body | {"amount": amount}, as_=admin)
        assert (refused.status, refused.data["errors"][0]["field"]) == (422, "amount")
    top_up = {"gateway": "sandbox", "amount": 500, "currency": "EUR"}
    for wrong in ({"amount": 0.3}, {"amount": -500}, {"amount": 0}, {"currency": "EUX"}, {"gateway": "cash"}):
        assert (await http.post("/wallet/top-ups", top_up | wrong, as_=guest)).status == 422
    begun = await http.post("/wallet/top-ups", top_up, as_=guest)
    assert (begun.status, begun.data["status"], begun.data["booking_id"]) == (201, "pending", None)
    assert begun.data["pay_at"]["redirect_url"].startswith(f"{app_server.url}/sandbox/pay/")
    assert (await http.get("/wallet", as_=guest)).data["balances"][0]["balance"] == 1999
