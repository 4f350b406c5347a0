"""Where files are kept: a folder of this machine, or a bucket of an S3-compatible store; one small interface."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from hub.errors import Unavailable
from hub.settings import Settings

# Names are made by the hub, never by whoever uploads.
_KEY = re.compile(r"[0-9a-f]{32}\.[0-9a-z.]{3,40}")

SECONDS_TO_ANSWER = 30.0


class FileStore(Protocol):
    """Keeps bytes under names."""

    async def put(self, name: str, body: bytes, media_type: str) -> None:
        """Keep a file, whole or not at all."""

    async def get(self, name: str) -> bytes | None:
        """Answer a file, None when there is none."""

    async def delete(self, name: str) -> None:
        """Let a file go; one that is not there is gone already."""


def file_store(settings: Settings) -> FileStore:
    """Answer the store that the settings name."""
    if settings.bucket_url is None:
        return LocalFolder(settings.data / "files")
    assert settings.bucket_access_key
    assert settings.bucket_secret_key
    return Bucket(settings.bucket_url, settings.bucket_region, settings.bucket_access_key, settings.bucket_secret_key)


def _judged(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise ValueError(f"no name of a file: {name!r}")
    return name


class LocalFolder:
    """A folder of this machine, its files spread over 256 more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, body: bytes, media_type: str) -> None:
        """Keep a file, whole or not at all."""
        await asyncio.to_thread(self._write, self._path(name), body)

    async def get(self, name: str) -> bytes | None:
        """Answer a file, None when there is none."""
        return await asyncio.to_thread(self._read, self._path(name))

    async def delete(self, name: str) -> None:
        """Let a file go; one that is not there is gone already."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / _judged(name)[:2] / name

    @staticmethod
    def _write(path: Path, body: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as half:
                try:
                    half.write(body)
                    half.flush()
                    Path(half.name).replace(path)
                except BaseException:
                    with contextlib.suppress(OSError):
                        Path(half.name).unlink()
                    raise
        except OSError as error:
            raise Unavailable("The hub cannot keep files right now; try again in a moment.") from error

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


class Bucket:
    """A bucket of an S3-compatible store, addressed by path; requests are signed by AWS Signature Version 4."""

    def __init__(self, url: str, region: str, access_key: str, secret_key: str) -> None:
        parts = urlsplit(url.rstrip("/"))
        self._origin, self._host, self._bucket = f"{parts.scheme}://{parts.netloc}", parts.netloc, parts.path
        self._region, self._access_key, self._secret_key = region, access_key, secret_key

    async def put(self, name: str, body: bytes, media_type: str) -> None:
        """Keep a file, whole or not at all."""
        status, _ = await self._ask("PUT", name, body, {"content-type": media_type})
        if status not in (200, 201, 204):
            raise self._refused(status)

    async def get(self, name: str) -> bytes | None:
        """Answer a file, None when there is none."""
        status, body = await self._ask("GET", name)
        if status == 404:
            return None
        if status != 200:
            raise self._refused(status)
        return body

    async def delete(self, name: str) -> None:
        """Let a file go; one that is not there is gone already."""
        status, _ = await self._ask("DELETE", name)
        if status not in (200, 204, 404):
            raise self._refused(status)

    @staticmethod
    def _refused(status: int) -> Unavailable:
        return Unavailable(f"The store of files has answered {status}; try again in a moment.")

    async def _ask(
        self, method: str, name: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        path = quote(f"{self._bucket}/{_judged(name)}", safe="/-_.~")
        signed = self.signed(method, path, body, headers or {}, datetime.now(UTC))
        try:
            async with (
                ClientSession(
                    timeout=ClientTimeout(total=SECONDS_TO_ANSWER), skip_auto_headers=["Content-Type"]
                ) as session,
                session.request(
                    method, self._origin + path, data=body or None, headers=signed, allow_redirects=False
                ) as response,
            ):
                return response.status, await response.read()
        except (ClientError, TimeoutError, OSError) as error:
            raise Unavailable("The store of files cannot be reached right now; try again in a moment.") from error

    def signed(self, method: str, path: str, body: bytes, headers: dict[str, str], at: datetime) -> dict[str, str]:
        """Sign a request, for its path, headers and body and these few minutes only."""
        moment, day = f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}"
        body_hash = hashlib.sha256(body).hexdigest()
        sent = headers | {"host": self._host, "x-amz-content-sha256": body_hash, "x-amz-date": moment}
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{sent[name].strip()}\n" for name in sorted(sent))
        request = f"{method}\n{path}\n\n{lines}\n{names}\n{body_hash}"
        scope = f"{day}/{self._region}/s3/aws4_request"
        to_sign = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}"
        return sent | {"authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"}
