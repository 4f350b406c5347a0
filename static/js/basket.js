/** Your basket: everything you hold, with one clock, one locked total, and what you can do with it. */

import { computed, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Refused, Ring } from "./cells.js";
import { followMe } from "./following.js";
import { html, now } from "./page.js";
import { venueOf, zoneOf } from "./venues.js";
import { clock, many, money, stayWords, sums, timeRange } from "./words.js";

const LIVE = new Set(["held", "pending", "confirmed"]);

const me = followMe();

/** One's own bookings, live; empty for a guest, and until they are known. */
export const bookings = computed(() => Object.values(me.value?.bookings ?? {}));
export const areKnown = computed(() => me.value !== null);
const isLive = (booking) => LIVE.has(booking.status) && !(booking.expires_at && Date.parse(booking.expires_at) <= now.value);
const holds = computed(() => bookings.value.filter((booking) => booking.status === "held" && isLive(booking)));

/** The items that are one's own right now, held or booked. */
export const mine = computed(() => bookings.value.filter(isLive).flatMap((booking) => booking.items));

const done = signal(null);
/** Set by what needs the room at the foot: the basket then shows one line, unless it is opened. */
export const crowded = signal(false);
const opened = signal(null);
const narrow = matchMedia("(max-width: 720px)");
const watched = new Set();
const refresh = signal(0);

/** When an item is, in words, on its venue's clock. */
export function itemTime(item, zone) {
  if (["addon", "fee"].includes(item.kind)) return "";
  return item.kind === "stay" ? stayWords(item) : timeRange(item.starts_at, item.ends_at, zone);
}

/** An item as it is asked for anew. */
export function askOf(item) {
  // Of what is for each guest there are as many as asked for, times the guests.
  if (item.kind === "addon") return { kind: "addon", addon_id: item.addon_id, quantity: Math.max(1, Math.round(item.quantity / item.guests)) };
  if (item.kind === "place") return { kind: "place", session_id: item.session_id, quantity: item.quantity };
  if (item.kind === "slot") return { kind: "slot", room_id: item.room_id, starts_at: item.starts_at, ends_at: item.ends_at, guests: item.guests };
  const what = item.room_id ? { room_id: item.room_id } : { room_type_id: item.room_type_id, quantity: item.quantity };
  return { kind: "stay", ...what, check_in: item.check_in, check_out: item.check_out, guests: item.guests };
}

function itemWords(item) {
  const word = { place: "place", addon: "piece" }[item.kind] ?? "room";
  return `${item.title}${item.kind === "place" || item.quantity > 1 ? `, ${many(item.quantity, word)}` : ""}`;
}

export function Basket() {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const held = holds.value;
  for (const booking of held) watched.add(booking.id);
  if (!held.length) return done.value ? html`<${Done} />` : html`<${Lapsed} />`;

  const first = held.reduce((one, other) => (Date.parse(one.expires_at) < Date.parse(other.expires_at) ? one : other));
  const until = Date.parse(first.expires_at);
  const full = Math.max(1_000, until - Date.parse(first.updated_at));
  const total = {};
  for (const booking of held) total[booking.currency] = (total[booking.currency] ?? 0) + booking.price;

  const each = async (work, then) => {
    setBusy(true);
    setRefusal(null);
    try {
      const answers = [];
      for (const booking of held) answers.push(await work(booking));
      then?.(answers);
    } catch (refused) {
      setRefusal(refused);
    }
    setBusy(false);
  };
  const confirm = () =>
    each(
      (booking) => ask("POST", `/holds/${booking.id}/confirm`, {}),
      (confirmed) => {
        done.value = confirmed;
        say("Booked");
      },
    );
  const renew = () => each((booking) => ask("POST", `/holds/${booking.id}/renew`, {}), () => say("Renewed"));
  const releaseAll = () => each((booking) => ask("DELETE", `/holds/${booking.id}`), () => say("Released"));
  const release = (booking, item) => {
    setRefusal(null);
    const path = booking.items.length > 1 ? `/holds/${booking.id}/items/${item.id}` : `/holds/${booking.id}`;
    return ask("DELETE", path).then(() => say("Released"), setRefusal);
  };

  // What is firm only once it is paid is paid; anything else can be paid now as well.
  const mustPay = held.some((booking) => booking.price > 0 && booking.items.some((item) => venueOf(item.venue_id)?.confirmation === "payment"));
  const pays = held.filter((booking) => booking.price > 0).map((booking) => html`<a key=${booking.id} class=${`button${mustPay ? " main" : ""}`} href=${`/checkout/${booking.id}`}>Pay${held.length > 1 ? ` ${money(booking.price, booking.currency)}` : ""}</a>`);
  const main = mustPay ? pays[0] : html`<button type="button" class="button main" disabled=${busy} onClick=${confirm}>Confirm</button>`;
  const isOpen = opened.value ?? !(crowded.value || narrow.matches);
  const count = held.reduce((sum, booking) => sum + booking.items.length, 0);
  return html`<${Foot} labelledby="basket-title" isOpen=${isOpen}>
    <h2><button type="button" class="button bare" id="basket-title" aria-expanded=${isOpen} onClick=${() => (opened.value = !isOpen)}>${isOpen ? "Your basket" : html`<span class="only-read">Your basket: </span><span class="number">${many(count, "item")}, ${sums(total)}</span>`}</button>
      <span class="clock number" role="timer" aria-label=${`${Math.ceil((until - now.value) / 60_000)} minutes left`}><${Ring} until=${until} full=${full} />${clock(Math.min(until - now.value, full))}</span>
      ${!isOpen && main}</h2>
    ${!isOpen && html`<${Refused} refusal=${refusal} label=${(one) => one.label} onPick=${() => {}} />`}
    ${isOpen && html`<ul>
      ${held.flatMap((booking) =>
        booking.items.map(
          (item) => html`<li key=${item.id}><span><b>${itemWords(item)}</b><br />${itemTime(item, zoneOf(item.venue_id))}</span><span class="number">${money(item.price, item.currency)}</span>
            <button type="button" class="button bare" aria-label=${`Release ${itemWords(item)}`} onClick=${() => release(booking, item)}>✕</button></li>`,
        ),
      )}
    </ul>
    <p class="total"><span>Total, locked</span><b class="number">${sums(total)}</b></p>
    <${Refused} refusal=${refusal} label=${(one) => one.label} onPick=${() => {}} />
    <div class="acts">
      ${mustPay ? pays : [main, pays]}
      <button type="button" class="button" disabled=${busy} onClick=${renew}>Renew</button>
      <button type="button" class="button" disabled=${busy} onClick=${releaseAll}>Release all</button>
    </div>`}
  <//>`;
}

/** The place at the foot; what is chosen meanwhile stands above it. */
function Foot({ labelledby, isOpen = true, role, children }) {
  const place = useRef(null);
  useEffect(() => {
    const root = document.documentElement.style;
    const watcher = new ResizeObserver(() => root.setProperty("--foot-clear", `${innerHeight - (place.current?.getBoundingClientRect().top ?? innerHeight)}px`));
    watcher.observe(place.current);
    return () => {
      watcher.disconnect();
      root.removeProperty("--foot-clear");
    };
  }, []);
  return html`<section class="basket" role=${role} aria-labelledby=${labelledby} data-open=${isOpen} ref=${place}>${children}</section>`;
}

/** A hold that ran out while this page was open: said once, and asked for again with one press. */
function Lapsed() {
  const [refusal, setRefusal] = useState(null);
  const lapsed = bookings.value.filter((booking) => watched.has(booking.id) && ["held", "expired"].includes(booking.status));
  if (!lapsed.length) return null;
  const items = lapsed.flatMap((booking) => booking.items);
  const forget = () => {
    for (const booking of lapsed) watched.delete(booking.id);
    setRefusal(null);
    refresh.value += 1;
  };
  const again = (asked) => ask("POST", "/holds", { items: asked }).then(forget, setRefusal);
  const pick = (one) => again(items.map((item, n) => (n === (one.for_item ?? 0) ? one.item : askOf(item))));
  return html`<${Foot} role="status" key=${refresh.value}>
    <h2>Your hold ran out <button type="button" class="button bare" aria-label="Close" onClick=${forget}>✕</button></h2>
    <ul>${items.map((item) => html`<li key=${item.id}><span><b>${itemWords(item)}</b><br />${itemTime(item, zoneOf(item.venue_id))}</span></li>`)}</ul>
    <${Refused} refusal=${refusal} onPick=${pick} label=${(one) => `${one.label}, ${money(one.price, one.currency)}`} />
    <div class="acts"><button type="button" class="button main" onClick=${() => again(items.map(askOf))}>Hold again</button></div>
  <//>`;
}

function Done() {
  const pending = done.value.some((booking) => booking.status === "pending");
  return html`<${Foot} role="status">
    <h2>${pending ? "Waiting for your payment" : "Booked"} <button type="button" class="button bare" aria-label="Close" onClick=${() => (done.value = null)}>✕</button></h2>
    <p>${done.value.map((booking) => html`<b class="number">${booking.reference}</b> `)}</p>
    <div class="acts">${done.value.filter((booking) => booking.paid < booking.price).map((booking) => html`<a key=${booking.id} class="button" href=${`/checkout/${booking.id}`}>Pay ${money(booking.price - booking.paid, booking.currency)}</a>`)}<a class="button main" href="/bookings">My bookings</a></div>
  <//>`;
}
