"""PayPal for tests: orders with request ids, and events signed with a certificate of an authority of our own."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import encode_basic_auth, web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.openid import free_port

CLIENT_ID, CLIENT_SECRET, MERCHANT, WEBHOOK_ID = "the-hub", "its-secret", "MERCHANT7", "8PT597110X687430LKGECATA"
OWNER = "messageverificationcerts.paypal.com"
PATH = "/v1/notifications/certs/CERT-360caa42-fca2a594"


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """An authority with one between it and those it certifies, as those of browsers have."""

    def __init__(self) -> None:
        self._key, self._between_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certify("Root", self._key.public_key(), "Root", self._key, authority=True)
        self.between = self._certify("Between", self._between_key.public_key(), "Root", self._key, authority=True)

    def certify(self, key: Any, owner: str = OWNER, ended: bool = False) -> x509.Certificate:
        """Certify a key as somebody's."""
        return self._certify(owner, key.public_key(), "Between", self._between_key, ended=ended)

    @staticmethod
    def _certify(
        name: str, key: Any, by: str, signing: ec.EllipticCurvePrivateKey, authority: bool = False, ended: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(by))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=-1 if ended else 30))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(issuer, critical=False)
        )
        if authority:
            said = x509.KeyUsage(**usage | {"key_cert_sign": True, "crl_sign": True})
            return builder.add_extension(said, critical=True).sign(signing, hashes.SHA256())
        said = x509.KeyUsage(**usage | {"digital_signature": True})
        builder = builder.add_extension(said, critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return builder.add_extension(purpose, critical=False).sign(signing, hashes.SHA256())


class Signer:
    """The key that PayPal signs events with, and whom it can be followed back to; made once, for it takes a while."""

    def __init__(self) -> None:
        self.authority = Authority()
        self.key = rsa.generate_private_key(65537, 2048)
        self.chain = self.chain_of(self.authority.certify(self.key), self.authority.between)

    @staticmethod
    def chain_of(*certificates: x509.Certificate) -> bytes:
        """Write certificates as PayPal does."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)

    def signed(self, body: bytes, url: str, webhook_id: str = WEBHOOK_ID, at: datetime | None = None) -> dict[str, str]:
        """Sign an event."""
        transmission, moment = "69cd13f0-d67a-11e5-baa3-778b53f4ae55", f"{at or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        text = f"{transmission}|{moment}|{webhook_id}|{zlib.crc32(body)}"
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {
            "PAYPAL-TRANSMISSION-ID": transmission,
            "PAYPAL-TRANSMISSION-TIME": moment,
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
            "PAYPAL-CERT-URL": url,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        }


class PayPal:
    """Keeps orders, captures and refunds in memory, and each answer under its request id."""

    def __init__(self, signer: Signer) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.signer, self.chain = signer, signer.chain
        self.orders: dict[str, dict[str, Any]] = {}
        self.captures: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: list[dict[str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self.tokens: set[str] = set()
        # What was asked, repeats too; answers that are lost on their way, after the effect; and what is refused.
        self.asked: list[str] = []
        self.loses = 0
        self.waits = 0.0
        self.status: int | None = None
        self.issue: str | None = None
        self.capture_status, self.refund_status = "COMPLETED", "COMPLETED"
        self.knows_disputes = True
        # How disputes have ended, by their ids; only told of one, never in a list.
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.merchant = MERCHANT
        self._approvals = 0

    def app(self) -> web.Application:
        """Answer as PayPal does."""
        app = web.Application()
        app.router.add_post("/v1/oauth2/token", self._let_in)
        app.router.add_get("/v1/notifications/certs/{name}", self._certificate)
        app.router.add_post("/v1/notifications/verify-webhook-signature", self._confirm)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    def approves(self, order_id: str) -> None:
        """Let the payer approve at PayPal."""
        self._approvals += 1
        self.orders[order_id] |= {"status": "APPROVED", "update_time": f"2026-11-20T12:00:{self._approvals:02}Z"}

    def event(self, kind: str, resource: dict[str, Any], **otherwise: Any) -> bytes:
        """Write an event."""
        said = {"id": f"WH-{secrets.token_hex(8)}", "event_type": kind, "create_time": "2026-11-20T12:00:01.234Z"}
        return json.dumps(said | {"resource": resource} | otherwise).encode()

    def signed(self, body: bytes, **otherwise: Any) -> dict[str, str]:
        """Sign an event, with a certificate that is kept here."""
        return self.signer.signed(body, self.url + PATH, **otherwise)

    async def _certificate(self, request: web.Request) -> web.Response:
        self.asked.append(f"GET {request.path}")
        assert "Authorization" not in request.headers
        return web.Response(body=self.chain) if request.path == PATH else web.Response(status=404)

    async def _let_in(self, request: web.Request) -> web.Response:
        self.asked.append("POST /v1/oauth2/token")
        if request.headers.get("Authorization") != encode_basic_auth(CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 32400})

    async def _confirm(self, request: web.Request) -> web.Response:
        """Say whether an event was signed here, by its text as it was signed."""
        self.asked.append("POST verify-webhook-signature")
        assert request.headers["Authorization"].removeprefix("Bearer ") in self.tokens
        if self.status is not None:
            return web.Response(status=self.status, text="<html>sorry</html>")
        asked = await request.read()
        said, event = json.loads(asked), asked.partition(b',"webhook_event":')[2][:-1]
        text = f"{said['transmission_id']}|{said['transmission_time']}|{WEBHOOK_ID}|{zlib.crc32(event)}"
        signature = base64.b64decode(said["transmission_sig"])
        try:
            self.signer.key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
            is_ours = said["webhook_id"] == WEBHOOK_ID
        except InvalidSignature:
            is_ours = False
        return web.json_response({"verification_status": "SUCCESS" if is_ours else "FAILURE"})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"error": "invalid_token"}, status=401)
        await asyncio.sleep(self.waits)
        if self.status is not None:
            return web.Response(status=self.status, text="<html>sorry</html>")
        body = json.loads(await request.read() or b"{}")
        key = request.path, request.headers.get("PayPal-Request-Id", "")
        if request.method == "POST" and key in self.answers:
            status, said = self.answers[key]
        else:
            status, said = self._carry_out(request, body)
            self.answers[key] = status, said
        if self.loses and request.method == "POST":
            self.loses -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(said, status=status)

    def _carry_out(self, request: web.Request, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        missing = 404, {"name": "RESOURCE_NOT_FOUND"}
        match request.method, request.path.split("/")[2:]:
            case "POST", ["checkout", "orders"]:
                return self._create(body)
            case "POST", ["checkout", "orders", order_id, "capture"]:
                return self._capture(self.orders[order_id]) if order_id in self.orders else missing
            case "POST", ["payments", "captures", capture_id, "refund"]:
                return self._refund(self.captures[capture_id], body) if capture_id in self.captures else missing
            case "GET", ["customer", "disputes"]:
                return (200, {"items": self.disputes}) if self.knows_disputes else (403, {"name": "PERMISSION_DENIED"})
            case "GET", ["customer", "disputes", dispute_id]:
                found = next((one for one in self.disputes if one["dispute_id"] == dispute_id), None)
                if found is not None:
                    return 200, found | {"dispute_outcome": self.outcomes.get(dispute_id)}
            case "GET", [_, ("orders" | "captures" | "refunds") as kind, named]:
                known = {"orders": self.orders, "captures": self.captures, "refunds": self.refunds}[kind]
                return (200, known[named]) if named in known else missing
        return missing

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.issue:
            return _refusal(self.issue)
        order_id = secrets.token_hex(8).upper()
        order = {"id": order_id, "intent": body["intent"], "status": "PAYER_ACTION_REQUIRED"}
        page = {"rel": "payer-action", "href": f"{self.url}/checkoutnow?token={order_id}", "method": "GET"}
        unit = body["purchase_units"][0] | {"payee": {"merchant_id": self.merchant}}
        self.orders[order_id] = order | {"purchase_units": [unit], "links": [page]}
        return 200, self.orders[order_id]

    def _capture(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if order["status"] != "APPROVED":
            return _refusal("ORDER_ALREADY_CAPTURED" if order["status"] == "COMPLETED" else "ORDER_NOT_APPROVED")
        if self.issue:
            if self.issue == "INSTRUMENT_DECLINED":
                order["status"] = "PAYER_ACTION_REQUIRED"
            return _refusal(self.issue)
        capture = {
            "id": secrets.token_hex(8).upper(),
            "status": self.capture_status,
            "amount": order["purchase_units"][0]["amount"],
            "supplementary_data": {"related_ids": {"order_id": order["id"]}},
        }
        self.captures[capture["id"]] = capture
        order["status"] = "COMPLETED"
        order["purchase_units"][0]["payments"] = {"captures": [capture], "refunds": []}
        return 201, order

    def _refund(self, capture: dict[str, Any], body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        order = self.orders[capture["supplementary_data"]["related_ids"]["order_id"]]
        refunds = order["purchase_units"][0]["payments"]["refunds"]
        given, taken = sum(Decimal(one["amount"]["value"]) for one in [*refunds, body]), capture["amount"]["value"]
        if given > Decimal(taken):
            return _refusal("REFUND_AMOUNT_EXCEEDED")
        up = {"rel": "up", "href": f"{self.url}/v2/payments/captures/{capture['id']}"}
        refund = {"id": secrets.token_hex(8).upper(), "status": self.refund_status, "links": [up]} | body
        self.refunds[refund["id"]] = refund
        refunds.append(refund)
        capture["status"] = "REFUNDED" if given == Decimal(taken) else "PARTIALLY_REFUNDED"
        return 201, refund


def _refusal(issue: str) -> tuple[int, dict[str, Any]]:
    return 422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": issue, "description": "Of PayPal."}]}
