"""Passwords: which are good enough, and how they are hashed and compared."""

from __future__ import annotations

import asyncio
import unicodedata
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.errors import Invalid
from hub.settings import Settings

SHORTEST_CHARACTERS = 10
LONGEST_BYTES = 128

# The commonest that are long enough, in lower case.
_COMMONEST = """
    0000000000 0123456789 0987654321 1111111111 1122334455 1234512345 1234554321 1234567890 12345678900 12345678910
    123456789a 1234567891 123456789q 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc 2222222222 5555555555
    7777777777 9876543210 9999999999 a123456789 aa12345678 aaaaaaaaaa abc1234567 abcd123456 abcdefghij administrator
    asdfasdfasdf asdfghjkl1 asdfghjkl; basketball changeme123 charlie123 christopher dragon1234 football123
    hello12345 iloveyou123 iloveyou12 letmein123 letmeinplease liverpool1 manchester manutd1234 metallica1
    michelle123 mypassword p@ssw0rd123 p@ssword123 passw0rd123 password01 password10 password11 password12
    password123 password1234 password12345 password123456 passwordpassword princess123 q1w2e3r4t5 q1w2e3r4t5y6
    qazwsxedcrfv qwer1234qwer qwerty1234 qwerty12345 qwerty123456 qwertyuiop qwertyuiop1 qwertyuiop123 qwertyuiop[]
    secret1234 sunshine123 superman123 trustno1234 welcome123 welcome1234 zaq12wsxcde3 zxcvbnm123 zxcvbnmasd
"""

# Two at a time, one thread each: hashing never takes more than two cores, nor more than twice the memory of one.
_HASHING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


def judge(password: str, email: str) -> None:
    """Refuse a new password that is too short, too long or among the first that anybody would try."""
    password = _normal(password)
    if len(password) < SHORTEST_CHARACTERS:
        raise Invalid.field("password", f"must have at least {SHORTEST_CHARACTERS} characters")
    if len(password.encode(errors="replace")) > LONGEST_BYTES:
        raise Invalid.field("password", f"must have at most {LONGEST_BYTES} bytes")
    if password.lower() in (email, email.partition("@")[0]):
        raise Invalid.field("password", "must not be your e-mail address")
    if password.lower() in _COMMONEST.split():
        raise Invalid.field("password", "is one of the commonest passwords; choose another")


async def hashed(settings: Settings, password: str) -> str:
    """Hash a password with argon2id, beside the event loop."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_HASHING, _hasher(settings).hash, _bytes(password))


async def matches(settings: Settings, password_hash: str | None, password: str) -> bool:
    """Tell whether this is the password; without a hash to compare with it takes as long and answers no."""
    loop = asyncio.get_running_loop()
    hasher = _hasher(settings)
    try:
        return await loop.run_in_executor(
            _HASHING, hasher.verify, password_hash or _hash_of_nothing(hasher), _bytes(password)
        )
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(settings: Settings, password_hash: str) -> bool:
    """Tell whether a hash was made with other costs than today's."""
    return _hasher(settings).check_needs_rehash(password_hash)


def _hasher(settings: Settings) -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=settings.password_memory_kb, parallelism=1)


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Write a hash of the usual costs that no password has."""
    salt, digest = (b64encode(bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _normal(password: str) -> str:
    # Keyboards write the same letter in different ways; to its owner it is the same password.
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    # JSON can carry half of a surrogate pair, which UTF-8 cannot.
    return _normal(password).encode(errors="surrogatepass")
