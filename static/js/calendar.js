/** The calendar of a venue's rooms and sessions, and the same as a table. */

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { STATES, stateOf } from "./acting.js";
import { itemTime } from "./basket.js";
import { Legend } from "./cells.js";
import { followVenue } from "./following.js";
import { roomsOf, sessionRows, today as todayOf, typesBy } from "./grid.js";
import { Paging } from "./nights.js";
import { html, now } from "./page.js";
import { dayName, dayNumber, money, time } from "./words.js";
import { addDays, localAt } from "./zone.js";

const DAYS = 7;
// A cell lists so many guests; the table lists them all.
const MOST = 6;
const SHOWN = new Set(["held", "pending", "confirmed", "completed", "no_show"]);
const first = signal(null);
const view = signal(localStorage.getItem("hub.calendar") ?? "calendar");

function turnTo(what) {
  view.value = what;
  localStorage.setItem("hub.calendar", what);
}

export function Calendar({ venue, venues, bookings, onVenue }) {
  const known = followVenue(venue.id).value;
  const table = useRef(null);
  const today = todayOf(venue, now.value);
  const from = first.value && first.value >= today ? first.value : today;
  const entries = bookings
    .filter((booking) => SHOWN.has(stateOf(booking)))
    .flatMap((booking) => booking.items.filter((item) => item.venue_id === venue.id && !["addon", "fee"].includes(item.kind)).map((item) => ({ booking, item })))
    .sort((a, b) => Date.parse(a.item.starts_at) - Date.parse(b.item.starts_at));
  const toggle = (what, word) => html`<button type="button" class="button" aria-pressed=${view.value === what} onClick=${() => turnTo(what)}>${word}</button>`;
  return html`<section class="sheet calendar" aria-labelledby="calendar-title">
    <div class="board-head"><h2 id="calendar-title">Calendar</h2>
      <div class="row">${toggle("calendar", "Calendar")}${toggle("table", "Table")}</div>
      ${view.value === "calendar" && known && html`<${Paging} first=${from} today=${today} table=${table} onTurn=${(day) => (first.value = day)} />`}
    </div>
    ${venues.length > 1 && html`<div class="tabs" role="group" aria-label="Venues">${venues.map((one) => html`<button type="button" class="button" key=${one.id} aria-pressed=${one.id === venue.id} onClick=${() => onVenue(one.id)}>${one.name}</button>`)}</div>`}
    <${Legend} only=${["held", "taken"]} />
    ${view.value === "table" ? html`<${List} entries=${entries} venue=${venue} />` : known ? html`<${Week} snapshot=${known} entries=${entries} from=${from} table=${table} />` : html`<p class="quiet">The calendar is on its way.</p>`}
  </section>`;
}

/** Which days of the calendar an item touches; a night belongs to the day it begins. */
function touches(item, day, zone) {
  if (item.kind === "stay") return item.check_in <= day && day < item.check_out;
  const from = localAt(Date.parse(item.starts_at), zone).day;
  const to = localAt(Date.parse(item.ends_at) - 1, zone).day;
  return from <= day && day <= to;
}

function Week({ snapshot, entries, from, table }) {
  const { venue } = snapshot;
  const days = Array.from({ length: DAYS }, (_, n) => addDays(from, n));
  const types = [...typesBy(snapshot, "night"), ...typesBy(snapshot, "hour")];
  const rooms = roomsOf(snapshot, types.filter((type) => type.sold_as === "room"));
  const lines = [
    ...types.filter((type) => type.sold_as === "pool").map((type) => ({ key: `type ${type.id}`, name: type.name, of: ({ item }) => item.room_type_id === type.id })),
    ...rooms.map((room) => ({ key: `room ${room.id}`, name: room.number, of: ({ item }) => item.room_id === room.id })),
  ];
  const sessions = sessionRows(snapshot, Date.parse(`${from}T00:00:00Z`) - 86_400_000);
  return html`<div class="board week"><table ref=${table}>
    <caption class="only-read">Rooms and sessions by day</caption>
    <thead><tr><th scope="col"><span class="only-read">Room</span></th>${days.map((day) => html`<th scope="col" key=${day}>${dayName(day)}<b>${dayNumber(day)}</b></th>`)}</tr></thead>
    <tbody>
      ${lines.map((line) => {
        const own = entries.filter(line.of);
        return html`<tr key=${line.key}><th scope="row">${line.name}</th>${days.map((day) => html`<${Day} key=${day} entries=${own.filter(({ item }) => touches(item, day, venue.timezone))} zone=${venue.timezone} day=${day} />`)}</tr>`;
      })}
      ${sessions.length > 0 &&
      html`<tr><th scope="row">Sessions</th>${days.map((day) => html`<td key=${day}>${sessions
        .filter(({ session }) => touches({ kind: "place", ...session }, day, venue.timezone))
        .map(({ session, total, free, held }) => html`<span class="chip" data-state="session" key=${session.id}><span class="number">${time(session.starts_at, venue.timezone)}</span> ${session.title} <b class="number">${total - free - held} of ${total}</b></span>`)}</td>`)}</tr>`}
    </tbody>
  </table></div>`;
}

function Day({ entries, zone, day }) {
  const more = entries.length - MOST;
  return html`<td>${entries.slice(0, MOST).map((entry) => html`<${Chip} key=${entry.item.id} ...${entry} zone=${zone} day=${day} />`)}${more > 0 && html`<span class="chip number">and ${more} more</span>`}</td>`;
}

function Chip({ booking, item, zone, day }) {
  const state = stateOf(booking);
  const name = booking.guest_details?.full_name || booking.guest.full_name;
  const goesOn = item.kind === "stay" && item.check_in < day;
  const when = item.kind === "slot" ? `${time(item.starts_at, zone)}–${time(item.ends_at, zone)}` : item.quantity > 1 ? `${item.quantity} ×` : "";
  return html`<span class="chip" data-state=${state} data-goes-on=${goesOn || undefined}>${when && html`<span class="number">${when}</span> `}${name}${state !== "confirmed" && html` <span class="quiet">${STATES[state]}</span>`}</span>`;
}

function List({ entries, venue }) {
  if (!entries.length) return html`<p class="quiet">Nothing is booked.</p>`;
  return html`<div class="list"><table>
    <caption class="only-read">What is booked, in order</caption>
    <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Guest</th><th scope="col">State</th><th scope="col">Price</th><th scope="col">Reference</th></tr></thead>
    <tbody>${entries.slice(0, 200).map(
      ({ booking, item }) => html`<tr key=${item.id}><td class="number">${itemTime(item, venue.timezone)}</td><td>${item.title}${item.quantity > 1 ? ` × ${item.quantity}` : ""}</td>
        <td>${booking.guest_details?.full_name || booking.guest.full_name}</td><td><span class="state" data-state=${stateOf(booking)}>${STATES[stateOf(booking)]}</span></td><td class="number">${money(item.price, item.currency)}</td><td class="number">${booking.reference}</td></tr>`,
    )}</tbody>
  </table></div>`;
}
