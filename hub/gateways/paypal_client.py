"""How PayPal is asked: logged in, within time, and again with the same key when no answer comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, encode_basic_auth

from hub.errors import GatewayUnreachable

log = logging.getLogger("hub.gateways.paypal")

SECONDS_TO_ANSWER = 8.0
# A repeat takes the same key, so it is the same ask.
ATTEMPTS = 2
# A token is taken for older than it is.
SECONDS_EARLY = 60
LARGEST_ANSWER = 256 * 1024

Answer: TypeAlias = dict[str, Any]


class Client:
    """One app at PayPal, with its connections and the token that it is let in by."""

    def __init__(self, client_id: str, client_secret: str, address: str) -> None:
        self.address = address
        self._login = encode_basic_auth(client_id, client_secret)
        self._session: ClientSession | None = None
        self._token: tuple[str, float] | None = None
        self._logging_in = asyncio.Lock()

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None = None, key: str | None = None
    ) -> tuple[int, Answer]:
        """Ask PayPal, with a body that is JSON or shall be: answers the status and what it says, refusals too.

        Raises GatewayUnreachable when it does not answer, or not now.
        """
        headers = {"Prefer": "return=representation", "Accept": "application/json"}
        if key is not None:
            headers["PayPal-Request-Id"] = key
        content: dict[str, Any] = {} if body is None else {"json": body}
        if isinstance(body, bytes):
            content, headers["Content-Type"] = {"data": body}, "application/json"
        status, answer = await self._let_in(method, path, headers, content)
        if status == 401:
            # The token was taken back before its time.
            self._token = None
            status, answer = await self._let_in(method, path, headers, content)
        if status >= 500 or status in (401, 409, 429):
            log.warning("PayPal has answered %s", status)
            raise GatewayUnreachable()
        return status, answer

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _let_in(
        self, method: str, path: str, headers: Mapping[str, str], content: Mapping[str, Any]
    ) -> tuple[int, Answer]:
        token = await self._access_token()
        return await self._send(method, path, {**headers, "Authorization": f"Bearer {token}"}, content)

    async def _access_token(self) -> str:
        async with self._logging_in:
            now = asyncio.get_running_loop().time()
            if self._token is None or self._token[1] < now:
                headers = {"Authorization": self._login, "Accept": "application/json"}
                form = {"data": {"grant_type": "client_credentials"}}
                status, answer = await self._send("POST", "/v1/oauth2/token", headers, form)
                token, seconds = answer.get("access_token"), answer.get("expires_in")
                if status != 200 or not isinstance(token, str) or not isinstance(seconds, int):
                    log.error("PayPal does not let the hub in: %s", status)
                    raise GatewayUnreachable()
                self._token = token, now + seconds - SECONDS_EARLY
            return self._token[0]

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], content: Mapping[str, Any]
    ) -> tuple[int, Answer]:
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._send_once(method, path, headers, content)
            except GatewayUnreachable:
                continue
        return await self._send_once(method, path, headers, content)

    async def _send_once(
        self, method: str, path: str, headers: Mapping[str, str], content: Mapping[str, Any]
    ) -> tuple[int, Answer]:
        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=SECONDS_TO_ANSWER))
        url = self.address + path
        try:
            async with self._session.request(
                method, url, headers=headers, allow_redirects=False, **content
            ) as response:
                read = b""
                async for part in response.content.iter_any():
                    read += part
                    if len(read) > LARGEST_ANSWER:
                        raise GatewayUnreachable()
                answer = orjson.loads(read) if read else {}
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            log.warning("PayPal cannot be asked: %s", type(error).__name__)
            raise GatewayUnreachable() from error
        if not isinstance(answer, dict):
            raise GatewayUnreachable()
        return response.status, answer
