"""Stripe for tests: one of our own, with idempotency keys, signed events and answers that get lost; and localstripe."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import stripe
from aiohttp import ClientError, ClientSession, encode_basic_auth, web

from tests.openid import free_port

SECRET_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET = "sk_test_hub", "pk_test_hub", "whsec_of_the_hub"
DECLINED = {"type": "card_error", "code": "card_declined", "message": "Your card has insufficient funds."}


class Stripe:
    """Keeps PaymentIntents and refunds in memory, and each answer under its idempotency key, as Stripe does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[dict[str, str], int, dict[str, Any]]] = {}
        # What was asked, repeats too; answers that are lost on their way, after the effect; and all that fails.
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.loses = 0
        self.waits = 0.0
        self.status: int | None = None
        self.refuses: dict[str, Any] | None = None
        self.refund_status = "succeeded"
        self.live = False

    def app(self) -> web.Application:
        """Answer as Stripe does."""
        app = web.Application()
        app.router.add_route("*", "/v1/{path:.*}", self._answer)
        return app

    def pays(self, intent_id: str) -> None:
        """Let the payer confirm with a good card, in Stripe's own form."""
        intent = self.intents[intent_id]
        self._charge(intent, intent["amount"])

    def attaches(self, intent_id: str, method: str, status: str = "requires_confirmation") -> None:
        """Let the payer choose a card that somebody else has to confirm."""
        self.intents[intent_id] |= {"status": status, "payment_method": method}

    def declines(self, intent_id: str) -> None:
        """Let the payer's card be refused in Stripe's own form."""
        self.intents[intent_id] |= {"status": "requires_payment_method", "last_payment_error": DECLINED}

    def disputes_it(self, intent_id: str, status: str) -> None:
        """Let the payer call the money back."""
        self.intents[intent_id]["latest_charge"]["disputed"] = True
        self.disputes.append({"id": "dp_1", "object": "dispute", "payment_intent": intent_id, "status": status})

    def event(self, kind: str, about: dict[str, Any], **otherwise: Any) -> bytes:
        """Write an event."""
        said = {"id": f"evt_{secrets.token_hex(8)}", "object": "event", "type": kind, "created": int(time.time())}
        return json.dumps(said | {"livemode": self.live, "data": {"object": about}} | otherwise).encode()

    @staticmethod
    def signed(body: bytes, secret: str = WEBHOOK_SECRET, at: float | None = None) -> dict[str, str]:
        """Sign an event."""
        header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at or time.time()))
        return {"Stripe-Signature": header}

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: str(said) for name, said in (await request.post()).items()}
        self.asked.append(f"{request.method} {request.path}")
        self.forms.append(form)
        if request.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            return _error(401, type="invalid_request_error", message="Invalid API Key provided")
        await asyncio.sleep(self.waits)
        if self.status is not None:
            return web.Response(status=self.status, text="<html>sorry</html>")
        if self.refuses is not None and request.method == "POST":
            return _error(402 if self.refuses["type"] == "card_error" else 400, **self.refuses)
        key = request.headers.get("Idempotency-Key")
        known = self.answers.get(key) if key else None
        if known is not None and known[0] != {"path": request.path} | form:
            return _error(400, type="idempotency_error", message="Keys can only be used with the same parameters")
        status, said = known[1:] if known else self._carry_out(request.method, request.path, form, request.query)
        if key:
            self.answers[key] = {"path": request.path} | form, status, said
        if self.loses and request.method == "POST":
            self.loses -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(said, status=status)

    def _carry_out(self, method: str, path: str, form: dict[str, str], query: Any) -> tuple[int, dict[str, Any]]:
        subject, _, rest = path.removeprefix("/v1/").partition("/")
        named, _, act = rest.partition("/")
        if subject == "payment_intents":
            if method == "POST" and not named:
                return 200, self._create(form)
            if named not in self.intents:
                return _missing(named)
            return self._act(self.intents[named], act, query) if act else (200, self._shown(self.intents[named], query))
        if subject == "refunds":
            if method == "POST":
                return self._refund(form)
            if named:
                return (200, self.refunds[named]) if named in self.refunds else _missing(named)
            listed = [one for one in self.refunds.values() if one["payment_intent"] == query["payment_intent"]]
            return 200, _list("/v1/refunds", listed)
        if subject == "disputes":
            listed = [one for one in self.disputes if one["payment_intent"] == query["payment_intent"]]
            return 200, _list("/v1/disputes", listed)
        return _missing(path)

    def _create(self, form: dict[str, str]) -> dict[str, Any]:
        assert form["allowed_payment_method_types[0]"] == "card"
        intent_id = f"pi_{secrets.token_hex(12)}"
        self.intents[intent_id] = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "amount_received": 0,
            "currency": form["currency"],
            "description": form["description"],
            "metadata": {"payment_id": form["metadata[payment_id]"]},
            "livemode": self.live,
            "client_secret": f"{intent_id}_secret_{secrets.token_hex(8)}",
            "status": "requires_payment_method",
            "payment_method": None,
            "latest_charge": None,
            "last_payment_error": None,
        }
        return self.intents[intent_id]

    def _shown(self, intent: dict[str, Any], query: Any) -> dict[str, Any]:
        charge = intent["latest_charge"]
        expands = "latest_charge" in query.values()
        return intent | {"latest_charge": charge if expands or charge is None else charge["id"]}

    def _charge(self, intent: dict[str, Any], amount: int) -> None:
        charge = {"id": f"ch_{secrets.token_hex(12)}", "object": "charge", "amount": intent["amount"]}
        intent |= {
            "status": "succeeded",
            "amount_received": amount,
            "latest_charge": charge | {"amount_captured": amount, "amount_refunded": 0, "disputed": False},
        }

    def _act(self, intent: dict[str, Any], act: str, query: Any) -> tuple[int, dict[str, Any]]:
        allowed = {
            "confirm": ["requires_confirmation"],
            "capture": ["requires_capture"],
            "cancel": ["requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"],
        }
        if intent["status"] not in allowed[act]:
            return 400, {"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}}
        if act == "cancel":
            intent["status"] = "canceled"
        elif intent["payment_method"] == "pm_declined":
            intent |= {"status": "requires_payment_method", "last_payment_error": DECLINED}
            return 402, {"error": DECLINED}
        else:
            self._charge(intent, intent["amount"])
        return 200, self._shown(intent, query)

    def _refund(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        charge = self.intents[form["payment_intent"]]["latest_charge"]
        amount = int(form["amount"])
        if charge["amount_refunded"] + amount > charge["amount_captured"]:
            return 400, {"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}}
        charge["amount_refunded"] += amount
        refund = {
            "id": f"re_{secrets.token_hex(12)}",
            "object": "refund",
            "amount": amount,
            "payment_intent": form["payment_intent"],
            "status": self.refund_status,
            "metadata": {"key": form["metadata[key]"]},
        }
        self.refunds[refund["id"]] = refund
        return 200, refund


def _list(url: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "url": url, "has_more": False, "data": listed}


def _missing(named: str) -> tuple[int, dict[str, Any]]:
    return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": f"No such {named}"}}


def _error(status: int, **said: Any) -> web.Response:
    return web.json_response({"error": said}, status=status)


class LocalStripe:
    """Somebody else's Stripe, at which a test is the payer."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, path: str, **form: str) -> tuple[int, dict[str, Any]]:
        """Do something that the hub does not do: what a payer's page does, and setting it up."""
        login = {"Authorization": encode_basic_auth(SECRET_KEY)}
        async with ClientSession(headers=login) as session, session.post(f"{self.url}{path}", data=form) as answer:
            return answer.status, json.loads(await answer.read() or b"{}")

    async def attach(self, intent_id: str, number: str) -> None:
        """Choose a card for a payment."""
        card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "40", "card[cvc]": "123"}
        _, method = await self.ask("/v1/payment_methods", type="card", **card)
        status, said = await self.ask(f"/v1/payment_intents/{intent_id}", payment_method=method["id"])
        assert status == 200, said


@contextlib.asynccontextmanager
async def run_localstripe() -> AsyncIterator[LocalStripe]:
    """Run localstripe in a process of its own."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(Path(__file__).with_name("localstripe_server.py")), str(port)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    server = LocalStripe(f"http://127.0.0.1:{port}")
    try:
        for _ in range(600):
            with contextlib.suppress(ClientError, OSError):
                status, _ = await server.ask("/_config/webhooks/none", url="http://127.0.0.1:9", secret="none")
                if status == 200:
                    break
            await asyncio.sleep(0.1)
        else:
            raise TimeoutError("localstripe did not start")
        yield server
    finally:
        process.terminate()
        await process.wait()
