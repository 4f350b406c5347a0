/** The feed: one row a booking, what changed last at the top, marked until it has been seen. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Actions, STATES, acted, paidWords, stateOf } from "./acting.js";
import { announce, useLit } from "./announce.js";
import { itemTime } from "./basket.js";
import { html, now } from "./page.js";
import { ago, clock, money } from "./words.js";

const PAGE = 8;
const SEEN_AFTER = 2_000;
const HEARD = { held: "hold", pending: "booking", confirmed: "booking", cancelled: "cancellation", expired: "expiry", completed: "arrival", no_show: "no-show" };

const stored = Number(localStorage.getItem("hub.seen")) || Date.now();
localStorage.setItem("hub.seen", stored);
const seen = signal(stored);
const places = new Map();

/** When a booking last changed from outside: what one does oneself leaves its row where it is. */
function placeOf(booking) {
  const changed = Date.parse(booking.updated_at);
  const known = places.get(booking.id);
  if (known === undefined || (changed > known && !acted.has(booking.id))) places.set(booking.id, changed);
  return places.get(booking.id);
}

export function Feed({ bookings, isLoaded, venues }) {
  const [shown, setShown] = useState(PAGE);
  const rows = bookings.map((booking) => ({ booking, at: placeOf(booking) })).sort((a, b) => b.at - a.at || b.booking.id - a.booking.id);
  const marks = new Map(rows.map(({ booking }) => [booking.id, stateOf(booking) + booking.updated_at]));
  const heard = (id, before) => {
    const row = rows.find(({ booking }) => booking.id === id);
    if (!acted.has(id)) announce(HEARD[stateOf(row.booking)], before ? "changed" : "new");
  };
  const lit = useLit(marks, isLoaded, heard, true);
  const unseen = rows.filter((row) => row.at > seen.value && !acted.has(row.booking.id)).length;

  useEffect(() => {
    document.title = `${unseen ? `(${unseen}) ` : ""}Dashboard · Booking hub`;
  }, [unseen]);

  return html`<section class="sheet feed" aria-labelledby="feed-title">
    <h2 id="feed-title">Bookings${unseen > 0 && html` <span class="unseen">${unseen} new</span>`}</h2>
    <ol>${rows.slice(0, shown).map(({ booking, at }) => html`<${Row} key=${booking.id} booking=${booking} at=${at} venues=${venues} isLit=${lit.has(booking.id)} />`)}</ol>
    ${!rows.length && html`<p class="quiet">Nothing yet. Bookings appear here the moment they are made.</p>`}
    ${rows.length > shown && html`<button type="button" class="button" onClick=${() => setShown(shown + PAGE)}>Show more of ${rows.length}</button>`}
  </section>`;
}

function Row({ booking, at, venues, isLit }) {
  const row = useRef(null);
  const isNew = at > seen.value && !acted.has(booking.id);
  const state = stateOf(booking);
  useEffect(() => {
    if (!isNew) return undefined;
    let timer = null;
    const watcher = new IntersectionObserver(([entry]) => {
      clearTimeout(timer);
      if (!entry.isIntersecting) return;
      timer = setTimeout(() => {
        if (document.hidden) return;
        seen.value = Math.max(seen.value, at);
        localStorage.setItem("hub.seen", seen.value);
      }, SEEN_AFTER);
    });
    const look = () => {
      watcher.unobserve(row.current);
      watcher.observe(row.current);
    };
    watcher.observe(row.current);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearTimeout(timer);
      watcher.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [isNew, at]);

  const zone = venues.get(booking.items[0]?.venue_id)?.timezone ?? "UTC";
  const name = booking.guest_details?.full_name || booking.guest.full_name;
  return html`<li ref=${row} class=${isLit ? "lit" : undefined} data-booking=${booking.id} data-state=${state}>
    <div><p><b>${isNew && html`<span class="unseen">new</span> `}${name}</b></p>
      ${booking.items.map((item) => html`<p class="small" key=${item.id}>${item.title}${item.quantity > 1 ? ` × ${item.quantity}` : ""}${itemTime(item, zone) && html` · <span class="number">${itemTime(item, zone)}</span>`}</p>`)}
      <p class="row small quiet"><span class="number">${money(booking.price, booking.currency)}${booking.price > 0 ? `, ${paidWords(booking)}` : ""}</span><a class="number" href=${`/checkout/${booking.id}`} aria-label=${`${booking.reference}, its payments`}>${booking.reference}</a><time datetime=${booking.updated_at}>${ago(booking.updated_at, now.value)}</time>${booking.notes && html`<span class="notes">“${booking.notes}”</span>`}</p>
      ${booking.cancel_reason && html`<p class="small quiet">“${booking.cancel_reason}”</p>`}</div>
    <div class="aside"><${State} booking=${booking} /><${Actions} booking=${booking} zone=${zone} isDesk=${true} /></div>
  </li>`;
}

/** A booking's state in the shapes of the boards, always with its word. */
export function State({ booking }) {
  const state = stateOf(booking);
  const left = state === "held" ? ` ${clock(Date.parse(booking.expires_at) - now.value)}` : "";
  return html`<span class="state number" data-state=${state}>${STATES[state]}${left}</span>`;
}

