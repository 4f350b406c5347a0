/** My bookings: the next one first, with its ticket. */

import { useRef } from "preact/hooks";
import { Actions, Dialogs, paidWords, stateOf } from "./acting.js";
import { person } from "./account.js";
import { useLit } from "./announce.js";
import { areKnown, bookings, itemTime } from "./basket.js";
import { CalendarFeed } from "./calendar-feed.js";
import { State } from "./desk-feed.js";
import { draw, html, now } from "./page.js";
import { Papers } from "./papers.js";
import { OnItsWay } from "./personal.js";
import { areAnswered, venueOf, zoneOf } from "./venues.js";
import { many, money, visitorsTime } from "./words.js";

const begins = (booking) => Math.min(...booking.items.map((item) => Date.parse(item.starts_at)));
const ends = (booking) => Math.max(...booking.items.map((item) => Date.parse(item.ends_at)));

function Mine() {
  if (!person.value) return html`<h1>My bookings</h1><p>Log in to see what you have booked.</p><p><a class="button main" href="/login?next=/bookings">Log in</a></p>`;
  return html`<h1>My bookings</h1><${All} key=${person.value.id} />`;
}

function All() {
  const isThere = useRef(false);
  // Only the first look waits for all that stands in it: what comes later must not take the page away.
  isThere.current ||= areKnown.value && areAnswered(bookings.value.flatMap((booking) => booking.items.map((item) => item.venue_id)));
  if (!isThere.current) return html`<${OnItsWay} />`;
  const live = (booking) => ["held", "pending", "confirmed"].includes(stateOf(booking)) && ends(booking) > now.value;
  const coming = bookings.value.filter(live).sort((a, b) => begins(a) - begins(b));
  const past = bookings.value.filter((booking) => !live(booking)).sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at));
  const marks = new Map(bookings.value.map((booking) => [booking.id, stateOf(booking) + booking.updated_at]));
  return html`<${Section} title="Coming up" rows=${coming} marks=${marks} />
    ${!coming.length && html`<p class="quiet">Nothing is booked. <a href="/">Find a room, a hall or a session.</a></p>`}
    ${past.length > 0 && html`<${Section} title="Before" rows=${past} marks=${marks} />`}
    <${CalendarFeed} />
    <${Dialogs} />`;
}

function Section({ title, rows, marks }) {
  const lit = useLit(marks, title, () => {});
  if (!rows.length) return null;
  return html`<section aria-labelledby=${title}><h2 id=${title}>${title}</h2>
    <ul class="tickets">${rows.map((booking, n) => html`<${Ticket} key=${booking.id} booking=${booking} isNext=${title === "Coming up" && n === 0} isLit=${lit.has(booking.id)} />`)}</ul></section>`;
}

function Ticket({ booking, isNext, isLit }) {
  const zone = zoneOf(booking.items[0].venue_id);
  const mayPay = booking.paid < booking.price && ["held", "pending", "confirmed"].includes(stateOf(booking));
  return html`<li class=${`sheet ticket${isNext ? " next" : ""}${isLit ? " lit" : ""}`} data-booking=${booking.id}>
    <div class="stub"><span class="small quiet">Reference</span><b class="reference number">${booking.reference}</b><${State} booking=${booking} /></div>
    <div>${booking.items.map((item) => {
        const venue = ["addon", "fee"].includes(item.kind) ? null : venueOf(item.venue_id);
        const visitors = item.kind === "stay" || !venue ? "" : visitorsTime(item.starts_at, venue.timezone);
        return html`<div key=${item.id} class="item"><h3>${item.title}</h3>
          <p><span class="number">${itemTime(item, zoneOf(item.venue_id))}</span>${item.kind === "place" ? `, ${many(item.quantity, "place")}` : item.quantity > 1 ? (item.kind === "addon" ? many(item.quantity, "piece") : `, ${many(item.quantity, "room")}`) : ""}${visitors && html` <span class="quiet small">${visitors}</span>`}</p>
          ${venue && html`<p class="small"><a href=${`/venues/${venue.id}`}>${venue.name}</a>${venue.address || venue.city ? ` · ${[venue.address, venue.city].filter(Boolean).join(", ")}` : ""}</p>`}</div>`;
      })}
      <p class="row"><span><b class="number">${money(booking.price, booking.currency)}</b> <span class="quiet small number">${paidWords(booking)}</span></span>${mayPay && html`<a class="button" href=${`/checkout/${booking.id}`} aria-label=${`Pay ${booking.reference}`}>Pay ${money(booking.price - booking.paid, booking.currency)}</a>`}${booking.paid > 0 && !mayPay && html`<a href=${`/checkout/${booking.id}`} aria-label=${`Payments of ${booking.reference}`}>Payments</a>`}</p>
      <${Papers} booking=${booking} />
      <${Actions} booking=${booking} zone=${zone} isDesk=${false} />
    </div>
  </li>`;
}

draw(Mine, "mine");
