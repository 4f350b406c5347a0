/** Find: what the server found stays on the page, and its counts stay true. */

import { signal } from "@preact/signals";
import { ask } from "./account.js";
import { announce, useLit } from "./announce.js";
import { Basket } from "./basket.js";
import { Bar, Dots, PlacesWords } from "./cells.js";
import { followChanges, serverTime } from "./following.js";
import { data, draw, html, now } from "./page.js";
import { forgetTyped, keepTyped } from "./typed.js";
import { dateOf, longDay, many, money, time, visitorsTime } from "./words.js";

const found = signal(data.found);
const SOONEST = 400;
const EVERY = 3_000;
const UNITS = { nights: "night", hours: "hour", places: "place" };
const FILTERS = { price: "the price", kind: "the kind", guests: "the number of guests", dates: "the dates", place: "the place" };

const idOf = (one) => `${one.kind}:${one.session?.id ?? one.venue.id}`;

function Found() {
  const { items, meta, relaxed } = found.value;
  const marks = new Map(items.map((one) => [idOf(one), JSON.stringify([one.free, one.held, one.windows])]));
  const lit = useLit(marks, "found", () => announce("count", "changed"));
  return html`${relaxed.length > 0 && html`<p class="relaxed refusal">Nothing matches everything. Tried without ${relaxed.map((name) => FILTERS[name]).join(" and ")}: ${many(meta.total_items, "finding")}.</p>`}
    <h2 class="only-read">${many(meta.total_items, "finding")}</h2>
    <ul class="results">
      ${items.map((one) => html`<${Finding} key=${idOf(one)} one=${one} isLit=${lit.has(idOf(one))} />`)}
      ${!items.length && html`<li class="sheet">Nothing is offered here yet.</li>`}
    </ul>`;
}

function Finding({ one, isLit }) {
  const { venue, session } = one;
  const query = data.ask.check_in ? `?check_in=${data.ask.check_in}` : "";
  const about = session ? [session.kind, session.facilitator_name, venue.city || venue.name] : [venue.kind, venue.star_rating && "★".repeat(Math.floor(venue.star_rating)), venue.city];
  return html`<li data-key=${idOf(one)} class=${isLit ? "lit" : undefined}>
    <a class="result" href=${`/venues/${venue.id}${query}${session ? `#session-${session.id}` : ""}`}>
      <div><h3>${session?.title ?? venue.name}</h3><span class="quiet small">${about.filter(Boolean).join(" · ")}</span></div>
      <span class="number">${one.from_price !== null && html`${session ? "" : "from "}<b>${money(one.from_price, one.currency)}</b> <span class="quiet">/ ${UNITS[one.kind]}</span>`}</span>
      <div class="left"><${Left} one=${one} zone=${venue.timezone} /></div>
    </a>
  </li>`;
}

function Left({ one, zone }) {
  const isDated = Boolean(data.ask.check_in ?? data.ask.date);
  if (one.kind === "nights") {
    const nights = isDated ? "for your nights" : "tonight";
    const full = `full ${nights}${one.next_free ? `, next free ${dateOf(one.next_free, zone)}` : ""}`;
    return html`<${Bar} taken=${one.total - one.free} total=${one.total} /><span>${one.free ? html`<span class="number">${one.free} of ${many(one.total, "room")}</span> left ${nights}` : full}</span>`;
  }
  if (one.kind === "hours") {
    if (!one.windows.length) return html`<span>${one.next_free ? `next free ${dateOf(one.next_free, zone)}, ${time(one.next_free, zone)}` : "nothing free in the next two weeks"}</span>`;
    const windows = one.windows.slice(0, 3).map((window, n) => html`${n ? ", " : ""}<span class="number">${time(window.starts_at, zone)}–${time(window.ends_at, zone)}</span>`);
    return html`<span>free ${isDated ? longDay(one.check_in) : "today"} ${windows}${one.windows.length > 3 ? " …" : ""}</span><${Yours} at=${one.windows[0].starts_at} zone=${zone} word="from " />`;
  }
  const until = one.held_until ? Date.parse(one.held_until) : null;
  const back = until !== null && until <= now.value ? one.held : 0;
  return html`<span class="number">${dateOf(one.session.starts_at, zone)}, ${time(one.session.starts_at, zone)}</span><${Yours} at=${one.session.starts_at} zone=${zone} />
    <${Dots} free=${one.free} held=${one.held} total=${one.total} /> <${PlacesWords} free=${one.free} held=${one.held - back} until=${until} zone=${zone} full=${600_000} />`;
}

function Yours({ at, zone, word = "" }) {
  const visitors = visitorsTime(at, zone);
  return visitors && html`<small class="number quiet">${word}${visitors}</small>`;
}

let due = null;
let askedAt = 0;

/** Many changes at once ask for one look, and never more than one in three seconds. */
function lookAgain() {
  due ??= setTimeout(async () => {
    askedAt = serverTime();
    due = null;
    found.value = await ask("GET", `/search?${new URLSearchParams(data.ask)}`).catch(() => found.value);
  }, Math.max(SOONEST + Math.random() * SOONEST, askedAt + EVERY - serverTime()));
}

draw(Found, "found");
draw(Basket, "basket");
followChanges(data.versions, data.epoch, lookAgain);

const form = document.getElementById("filters");
if (keepTyped(form, "filters") && location.search) forgetTyped("filters");
form.addEventListener("submit", () => {
  // Empty fields need not stand in the address.
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  forgetTyped("filters");
});
addEventListener("pageshow", () => {
  for (const field of form.elements) field.disabled = false;
});
