"""Two places for files behind one interface: a folder, and a bucket of an S3-compatible store."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import Unavailable
from hub.gateways.files import Bucket as BucketStore
from hub.gateways.files import FileStore, LocalFolder, file_store
from hub.settings import Settings, SettingsRefused
from tests.bucket import Bucket


def name(end: str = "jpg") -> str:
    return f"{secrets.token_hex(16)}.{end}"


def store_of(bucket: Bucket, **other: str) -> BucketStore:
    how = {"url": bucket.url, "region": bucket.region, "access_key": bucket.access_key, "secret_key": bucket.secret_key}
    return BucketStore(**how | other)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket) -> FileStore:
    """Lend each kind of store in turn."""
    return LocalFolder(tmp_path) if request.param == "folder" else store_of(bucket)


async def test_what_is_put_is_got_until_it_is_deleted(store: FileStore) -> None:
    one, body = name(), secrets.token_bytes(300_000)
    assert await store.get(one) is None
    await store.put(one, body, "image/jpeg")
    assert await store.get(one) == body
    await store.put(one, b"anew", "image/jpeg")
    assert await store.get(one) == b"anew"
    sized = one.replace(".jpg", ".400x400fill.webp")
    await store.put(sized, b"small", "image/webp")
    assert await store.get(sized) == b"small"
    for _ in range(2):
        await store.delete(one)
    assert await store.get(one) is None
    assert await store.get(sized) == b"small"


@pytest.mark.abuse("G10")
@pytest.mark.parametrize(
    "wrong", ["../secret", "/etc/passwd", "a.jpg", "", ".", "A" * 32 + ".jpg", "0" * 32 + ".jpg/../x"]
)
async def test_only_names_of_the_hubs_own_making_reach_a_store(wrong: str, store: FileStore) -> None:
    for act in (store.get(wrong), store.delete(wrong), store.put(wrong, b"x", "image/jpeg")):
        with pytest.raises(ValueError, match="no name of a file"):
            await act


async def test_requests_are_signed_as_the_store_demands(bucket: Bucket) -> None:
    one = name()
    await store_of(bucket).put(one, b"body", "image/png")
    assert bucket.objects == {one: (b"body", "image/png")}
    for wrong in ({"secret_key": "another"}, {"access_key": "another"}, {"region": "us-east-1"}):
        with pytest.raises(Unavailable):
            await store_of(bucket, **wrong).get(one)
        with pytest.raises(Unavailable):
            await store_of(bucket, **wrong).delete(one)
    assert len(bucket.refused) == 6
    assert one in bucket.objects


def test_the_signature_is_that_of_amazons_own_example() -> None:
    # "Example: GET Object" of the manual of S3, without its Range header's value being anything but a header.
    store = BucketStore(
        "https://examplebucket.s3.amazonaws.com",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    at = datetime(2013, 5, 24, tzinfo=UTC)
    signed = store.signed("GET", "/test.txt", b"", {"range": "bytes=0-9"}, at)
    assert signed["authorization"].endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


async def test_a_store_that_is_away_is_told_as_unavailable(bucket: Bucket) -> None:
    store = store_of(bucket)
    bucket.fails = True
    for act in (store.put(name(), b"x", "image/jpeg"), store.get(name()), store.delete(name())):
        with pytest.raises(Unavailable):
            await act
    with pytest.raises(Unavailable):
        await store_of(bucket, url="http://127.0.0.1:9/nowhere").get(name())


def test_the_settings_say_which_it_is(settings: Settings) -> None:
    assert isinstance(file_store(settings), LocalFolder)
    with pytest.raises(SettingsRefused):
        Settings(data=settings.data, secret=settings.secret, bucket_url="https://s3.example/bucket")
    named = Settings(
        data=settings.data,
        secret=settings.secret,
        bucket_url="https://s3.example/bucket",
        bucket_access_key="key",
        bucket_secret_key="hunter2",
    )
    assert isinstance(file_store(named), BucketStore)
    assert "hunter2" not in repr(named)
