"""An S3-compatible store for tests, which believes nothing that is not signed as Amazon says."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from tests.openid import free_port

_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([\w-]+)/s3/aws4_request, SignedHeaders=([\w;-]+), Signature=(\w{64})"
)


class Bucket:
    """Keeps objects in memory; the signature is computed anew from the raw request, by the letter of the manual."""

    access_key, secret_key, region, name = "AKIAHUB", "wJalrXUtnFEMI/K7MDENG", "eu-central-1", "pictures"

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/{self.name}"
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.refused: list[str] = []
        self.fails = False

    def app(self) -> web.Application:
        """Answer as S3 does."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.fails:
            return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
        fault = self._fault(request, body)
        if fault:
            self.refused.append(fault)
            return web.Response(status=403, text=f"<Error><Code>SignatureDoesNotMatch</Code>{fault}</Error>")
        key = request.path.removeprefix(f"/{self.name}/")
        if request.method == "PUT":
            self.objects[key] = body, request.headers.get("Content-Type", "")
            return web.Response(status=200)
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if key not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=self.objects[key][0], content_type=self.objects[key][1])

    def _fault(self, request: web.Request, body: bytes) -> str:
        """Say what is wrong with a request's signature."""
        found = _CREDENTIAL.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            return "no credential"
        access_key, day, region, names, signature = found.groups()
        moment = request.headers.get("x-amz-date", "")
        at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if (access_key, region, day) != (self.access_key, self.region, moment[:8]):
            return "another key, region or day"
        if abs(datetime.now(UTC) - at) > timedelta(minutes=15):
            return "too old"
        signed = names.split(";")
        if signed != sorted(signed) or not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed):
            return "too little is signed"
        if request.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "another body"
        path = quote(unquote(request.raw_path.partition("?")[0]), safe="/-_.~")
        canonical = [request.method, path, request.query_string]
        canonical += [f"{name}:{' '.join(request.headers[name].split())}" for name in signed]
        canonical += ["", names, request.headers["x-amz-content-sha256"]]
        scope = f"{day}/{region}/s3/aws4_request"
        digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        key = b"AWS4" + self.secret_key.encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()
        return "" if hmac.compare_digest(expected, signature) else "another signature"


@pytest.fixture
async def bucket() -> AsyncIterator[Bucket]:
    """Run a store of this machine."""
    bucket = Bucket()
    runner = web.AppRunner(bucket.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", bucket.port).start()
    yield bucket
    await runner.cleanup()
