"""Google and Facebook for tests: an OpenID provider of somebody else's making, and a browser that logs in there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import orjson
import pytest
from aiohttp import ClientError, ClientSession, web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from hub.gateways.identity import Claims, Providers
from hub.models.identities import Provider
from hub.settings import Settings


@dataclass
class OpenId:
    """A provider on a port of this machine, at which everybody is who they say."""

    issuer: str

    async def knows(self, subject: str, **claims: Any) -> None:
        """Let the provider say this of a subject."""
        address = f"{self.issuer}/users/{subject}"
        async with ClientSession() as session, session.put(address, json=claims) as answer:
            assert answer.status == 204, await answer.text()

    async def consents(self, authorization_url: str, subject: str, action: str = "authorize") -> str:
        """Log in there and allow what is asked; answers where the browser is sent back to."""
        form = {"sub": subject, "action": action}
        async with (
            ClientSession() as session,
            session.post(authorization_url, data=form, allow_redirects=False) as answer,
        ):
            assert answer.status in (302, 303), await answer.text()
            return answer.headers["Location"]


def query_of(url: str) -> dict[str, str]:
    """Read the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def free_port() -> int:
    """Find a port that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
async def openid() -> AsyncIterator[OpenId]:
    """Run the provider in a process of its own."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)),
        *("--require-nonce", "true"),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with ClientSession() as session:
            for _ in range(200):
                with contextlib.suppress(ClientError, OSError):
                    async with session.get(f"{issuer}/.well-known/openid-configuration") as answer:
                        if answer.status == 200 and orjson.loads(await answer.read())["issuer"] == issuer:
                            break
                await asyncio.sleep(0.1)
            else:
                raise TimeoutError("the provider did not start")
        yield OpenId(issuer)
    finally:
        process.terminate()
        await process.wait()


class Vouching(Providers):
    """Providers that take any code, and vouch that whoever brings it has this address."""

    def __init__(self, settings: Settings, email: str) -> None:
        super().__init__(settings)
        self.email = email

    def __getitem__(self, name: Provider) -> Any:
        return self

    async def claims(self, *asked: Any) -> Claims:
        """Say who has come."""
        return Claims(sub=secrets.token_hex(8), email=self.email, email_verified=True)


class Forger:
    """A provider that says what a test wants it to, with keys of its own; it does enforce PKCE, and codes work once."""

    client_id, client_secret = "the-hub", "its-secret"

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.keys = {"first": rsa.generate_private_key(65537, 2048)}
        self.codes: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        # What a test breaks: the answer of the keys, of the token endpoint, and what the token says and is signed by.
        self.answers: dict[str, Callable[[], web.Response]] = {}
        self.say: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.person: dict[str, Any] = {"sub": "1", "email": "ana@example.org", "email_verified": True, "name": "Ana"}

    def signed(self, claims: dict[str, Any], kid: str | None = "first", **header: Any) -> str:
        """Sign as a good provider does."""
        headers = ({"kid": kid} if kid else {}) | header
        return jwt.encode(claims, self.keys[kid or "first"], "RS256", headers=headers)

    def claims(self, nonce: str) -> dict[str, Any]:
        """Say what a good id_token says."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 300, "nonce": nonce}
        return self.person | said

    def consents(self, authorization_url: str) -> str:
        """Allow what is asked; answers the code."""
        code = secrets.token_hex(8)
        self.codes[code] = query_of(authorization_url)
        return code

    def app(self) -> web.Application:
        """Answer as OpenID providers do."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._where)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_post("/token", self._token)
        return app

    async def _where(self, request: web.Request) -> web.Response:
        self.asked.append("where")
        if "where" in self.answers:
            return self.answers["where"]()
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        self.asked.append("keys")
        if "keys" in self.answers:
            return self.answers["keys"]()
        keys = [
            json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": keys})

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append("token")
        form = await request.post()
        if "token" in self.answers:
            return self.answers["token"]()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        if (
            asked is None
            or (form["client_id"], form["client_secret"]) != (self.client_id, self.client_secret)
            or form["redirect_uri"] != asked["redirect_uri"]
            or asked["code_challenge_method"] != "S256"
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = self.sign(self.say(self.claims(asked["nonce"])))
        return web.json_response({"access_token": "worthless", "token_type": "Bearer", "id_token": token})


@pytest.fixture
async def forger() -> AsyncIterator[Forger]:
    """Run a provider that a test can make say anything."""
    forger = Forger()
    runner = web.AppRunner(forger.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", forger.port).start()
    yield forger
    await runner.cleanup()
