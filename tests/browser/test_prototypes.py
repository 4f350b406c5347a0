"""No address and no event of the hub can change what every object of a page has."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Open, Town

POLLUTING = "__proto__[polluted]=1&__proto__.polluted=1&constructor[prototype][polluted]=1&place=__proto__&kind=hall"
UNTOUCHED = "() => ({}).polluted === undefined && [].polluted === undefined && (() => 0).polluted === undefined"

# What the server could say at its worst, given to whatever of the pages keeps what it says.
REDUCED = """async () => {
  const { begin, applyEvent, keyOf } = await import("/static/js/live-state.js");
  const worst = JSON.parse(
    '{"id": "__proto__", "__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}');
  const lists = { room_types: [worst], rooms: [worst], sessions: [worst], availability: [] };
  const state = begin({ venue: { id: 1, name: "x" }, ...lists });
  const things = ["venue", "room_type", "room", "session", "closure", "booking", "user", "__proto__", "constructor"];
  for (const thing of things)
    for (const what of ["created", "changed", "deleted", "cancelled", "__proto__"])
      try { applyEvent(state, { name: `${thing}.${what}`, data: worst }); } catch { /* a refusal is fine */ }
  const change = { ...worst, kind: "room", room_id: "__proto__", state: "held" };
  try {
    keyOf(change);
    applyEvent(state, { name: "availability.changed", data: { changes: [change, worst] } });
  } catch { /* fine too */ }
  return ({}).polluted === undefined;
}"""


@pytest.mark.abuse("F11")
async def test_no_address_pollutes_what_every_object_has(window: Open, town: Town) -> None:
    guest = await window()
    for path in ("/", f"/venues/{town.hall.id}", "/login", "/register", "/dashboard", "/account"):
        await guest.page.goto(f"{guest.base}{path}?{POLLUTING}#__proto__[polluted]=1")
        await guest.page.wait_for_load_state("load")
        assert await guest.page.evaluate(UNTOUCHED), path


@pytest.mark.abuse("F11")
async def test_no_event_pollutes_what_every_object_has(window: Open, town: Town) -> None:
    guest = await window()
    await guest.page.goto(f"{guest.base}/venues/{town.hall.id}")
    assert await guest.page.evaluate(REDUCED)
    assert await guest.page.evaluate(UNTOUCHED)


async def test_control_pollution_would_be_seen(window: Open) -> None:
    guest = await window()
    await guest.page.goto(f"{guest.base}/login")
    await guest.page.evaluate("() => { Object.prototype.polluted = 1; }")
    assert not await guest.page.evaluate(UNTOUCHED)
