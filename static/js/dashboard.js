/** The dashboard: figures, feed, roster and calendar of the venues one runs, alive. */

import { computed, effect, signal } from "@preact/signals";
import { Dialogs } from "./acting.js";
import { ask, person } from "./account.js";
import { Calendar } from "./calendar.js";
import { Feed } from "./desk-feed.js";
import { Figures } from "./figures.js";
import { followDesk } from "./following.js";
import { draw, html } from "./page.js";
import { Roster } from "./roster.js";
import { keep, kept } from "./typed.js";

const REFRESH = 1_500;
const LOOK_AGAIN = 60_000;

const only = signal(kept("dashboard.venue"));
const calendarOf = signal(null);
const dashboard = signal(null);
const all = signal([]);
const refusal = signal(null);

const desks = computed(() => all.value.filter((venue) => only.value === null || venue.id === only.value));
const bookings = computed(() => {
  const found = new Map();
  for (const venue of desks.value) {
    for (const booking of Object.values(followDesk(venue.id, soon).value?.bookings ?? {})) {
      // A booking of several venues comes once from each desk, with that desk's part.
      const other = found.get(booking.id);
      found.set(booking.id, other ? { ...booking, items: [...other.items, ...booking.items], price: other.price + booking.price } : booking);
    }
  }
  return [...found.values()];
});

let due = null;
function soon() {
  due ??= setTimeout(load, REFRESH);
}

async function load() {
  clearTimeout(due);
  due = null;
  try {
    const query = only.value === null ? "" : `?venue_id=${only.value}`;
    dashboard.value = await ask("GET", `/dashboard${query}`);
    if (only.value === null) all.value = dashboard.value.venues;
    else if (!all.value.length) all.value = (await ask("GET", "/dashboard")).venues;
    refusal.value = null;
  } catch (refused) {
    if (only.value !== null && refused.status === 404) choose(null);
    else refusal.value = refused;
  }
}

function choose(id) {
  only.value = id;
  keep("dashboard.venue", id);
  load();
}

function Desk() {
  if (!person.value) return html`<h1>Dashboard</h1><p>Log in to see your venues, their bookings and today's roster.</p><p><a class="button main" href="/login?next=/dashboard">Log in</a></p>`;
  if (!dashboard.value) return html`<h1>Dashboard</h1><p class="quiet" role="status">${refusal.value?.message ?? "On its way."}</p>`;
  if (!all.value.length) return html`<h1>Dashboard</h1><p>You run no venue yet. Sessions you offer get a studio of their own, and appear here.</p>`;
  const venues = new Map(all.value.map((venue) => [venue.id, venue]));
  const shown = desks.value.find((venue) => venue.id === calendarOf.value) ?? desks.value[0];
  return html`<div class="board-head"><h1>Dashboard</h1>
      <div class="row">${shown && html`<a class="button" href=${`/venues/${shown.id}/operations`}>Payments</a><a class="button" href=${`/venues/${shown.id}/staff`}>Staff${desks.value.length > 1 ? ` of ${shown.name}` : ""}</a>`}
      ${all.value.length > 1 && html`<label class="field"><span>Venue</span><select onChange=${(event) => choose(Number(event.target.value) || null)}><option value="" selected=${only.value === null}>All ${all.value.length} venues</option>${all.value.map((venue) => html`<option value=${venue.id} selected=${venue.id === only.value}>${venue.name}</option>`)}</select></label>`}</div></div>
    ${refusal.value && html`<p class="refusal" role="alert">${refusal.value.message}</p>`}
    <div class="desk"><${Figures} dashboard=${dashboard.value} />
      <${Feed} bookings=${bookings.value} isLoaded=${desks.value.every((venue) => followDesk(venue.id).value)} venues=${venues} />
      <${Roster} dashboard=${dashboard.value} venues=${venues} />
      ${shown && html`<${Calendar} venue=${shown} venues=${desks.value} bookings=${bookings.value} onVenue=${(id) => (calendarOf.value = id)} />`}</div>
    <${Dialogs} />`;
}

draw(Desk, "desk");
effect(() => {
  if (person.value) load();
});
// A new day, and what time alone has changed.
setInterval(() => person.value && !document.hidden && load(), LOOK_AGAIN);
