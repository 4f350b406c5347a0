"""The bank behind Bakong for tests: it knows codes by their MD5, and believes only its token."""

from __future__ import annotations

import hashlib
from typing import Any

from aiohttp import web

from hub.gateways import khqr
from tests.openid import free_port

TOKEN = "a-token-of-the-bank"


class Bank:
    """Keeps what was paid; a payer scans a code as a phone does, from its string alone."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.paid: dict[str, dict[str, Any]] = {}
        self.failed: set[str] = set()
        self.is_down = False
        self.asked: list[str] = []

    def app(self) -> web.Application:
        """Answer as the bank does."""
        app = web.Application()
        app.router.add_post("/v1/check_transaction_by_md5", self._check)
        return app

    def pay(self, code: str, **otherwise: Any) -> None:
        """Pay what the code says, to whom it says, unless said otherwise."""
        fields = khqr.read(code)
        currency = {"116": "KHR", "840": "USD"}[fields["53"]]
        account = fields.get("29") or fields["30"]
        self.paid[hashlib.md5(code.encode(), usedforsecurity=False).hexdigest()] = {
            "hash": "8465d722d7d5065f2886f0a474a4d34dc6a7855355b611836f7b6111228893e9",
            "fromAccountId": "payer@bank",
            "toAccountId": account[4 : 4 + int(account[2:4])],
            "currency": currency,
            "amount": float(fields["54"]),
            "createdDateMs": int(fields["99"][4:17]) + 1000,
        } | otherwise

    async def _check(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=502, text="<html>bad gateway</html>")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response(_refusal(6, "Unauthorized"), status=401)
        name = (await request.json())["md5"]
        self.asked.append(name)
        if name in self.failed:
            return web.json_response(_refusal(3, "Transaction failed."))
        if name not in self.paid:
            return web.json_response(_refusal(1, "Transaction could not be found. Please check and try again."))
        return web.json_response(
            {"responseCode": 0, "responseMessage": "Success", "errorCode": None, "data": self.paid[name]}
        )


def _refusal(error: int, message: str) -> dict[str, Any]:
    return {"responseCode": 1, "responseMessage": message, "errorCode": error, "data": None}
