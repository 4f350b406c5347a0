import pytest

from hub.core import Actor
from hub.services import accounts, logins
from tests.doors import ListeningHub
from tests.identities import BOTH, good, log_in, registered, spend
from tests.mailbox import letters_to

ANA = "ana@example.org"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
LAPTOP = Actor(device=FIREFOX.format(150), address="203.0.113.7")
NEWER = Actor(device=FIREFOX.format(151), address="198.51.100.20")
STRANGER = Actor(device="curl/8.11", address="198.51.100.66")


async def notices(hub: ListeningHub) -> list[str]:
    """Read what Ana was written about new devices."""
    return [one.text for one in await letters_to(hub, ANA) if one.subject == "A new device logged in"]


async def test_a_log_in_from_an_unknown_device_is_told_to_its_owner_once(hub: ListeningHub) -> None:
    await registered(hub)
    assert await notices(hub) == []
    await accounts.log_in(hub, STRANGER, log_in())
    (text,) = await notices(hub)
    assert "curl" in text
    assert "198" in text
    await accounts.log_in(hub, STRANGER, log_in())
    assert len(await notices(hub)) == 1


async def test_a_newer_version_of_the_same_browser_is_no_new_device(hub: ListeningHub) -> None:
    await registered(hub)
    await accounts.log_in(hub, LAPTOP, log_in())
    before = await notices(hub)
    await accounts.log_in(hub, NEWER, log_in())
    assert await notices(hub) == before


async def test_everybody_has_devices_of_their_own(hub: ListeningHub) -> None:
    await registered(hub)
    await registered(hub, email="ben@example.org")
    await accounts.log_in(hub, STRANGER, log_in("ben@example.org"))
    await accounts.log_in(hub, STRANGER, log_in())
    assert len(await notices(hub)) == 1


@pytest.mark.abuse("C9")
async def test_a_refresh_from_another_kind_of_device_is_let_in_and_told(hub: ListeningHub) -> None:
    first = await registered(hub)
    second = await logins.refresh(hub, STRANGER, spend(first))
    assert len(await notices(hub)) == 1
    third = await logins.refresh(hub, STRANGER, spend(second))
    assert len(await notices(hub)) == 1
    assert await good(hub, third) == BOTH
