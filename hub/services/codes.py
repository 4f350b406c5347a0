"""One-time codes and link tokens: drawn, hashed, tried."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from hub.core import Hub
from hub.errors import HubError
from hub.models.verifications import CODE_DIGITS
from hub.tokens import signing_key
from hub.work import Work
from storage import codes as store

CODE_SECONDS = 600
LINK_SECONDS = 1800


class CodeGone(HubError):
    """This code or link is wrong, used up or too old; ask for a new one."""

    code, status = "code_gone", 410


def draw() -> str:
    """Draw a code."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def draw_link() -> str:
    """Draw the token of a link: 256 random bits."""
    return secrets.token_urlsafe(32)


def code_hash(hub: Hub, user_id: int, purpose: str, code: str) -> bytes:
    """Hash a code for one purpose of one account, under a key that is not in the database."""
    return hmac.digest(signing_key(hub.settings, "code"), f"{purpose}:{user_id}:{code}".encode(), "sha256")


def link_hash(token: str) -> bytes:
    """Hash the token of a link, of which there are too many to guess."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


async def put(hub: Hub, work: Work, user_id: int, purpose: str, target: str) -> str:
    """Draw a code in place of the older one of this purpose, and answer it."""
    code = draw()
    await store.put(work.db, user_id, purpose, target, code_hash(hub, user_id, purpose, code), CODE_SECONDS)
    return code


async def attempt(hub: Hub, work: Work, user_id: int, purpose: str, code: str) -> store.Tried | None:
    """Count one try at a code; the count has to be committed, so the caller refuses a wrong one after its work."""
    return await store.attempt(work.db, user_id, purpose, code_hash(hub, user_id, purpose, code))


def refused(tried: store.Tried | None) -> CodeGone:
    """Refuse a code, telling its owner how many tries are left."""
    return CodeGone(tries_left=tried.tries_left if tried else 0)


def masked(target: str) -> str:
    """Show as much of an address or number as its owner needs to know which it is."""
    local, at, domain = target.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    return f"{target[:-7]}***{target[-3:]}" if len(target) > 9 else f"***{target[-2:]}"
