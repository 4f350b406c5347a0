/** What a visitor has chosen but not yet holds: it survives a reload, and is held all together or not at all. */

import { signal } from "@preact/signals";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Refused, Stepper } from "./cells.js";
import { choose as runFrom, hoursPrice, nightsPrice } from "./grid.js";
import { data, html } from "./page.js";
import { Extras, basketOf, forgetWishes, quoteAgain, useQuote } from "./quoting.js";
import { keep, kept } from "./typed.js";
import { duration, many, money, stayWords, sums, timeRange, visitorsTime } from "./words.js";

const name = `picked.${data.venue_id}`;

/** Items ready to be asked for, each with its price and what it is called; the last one still follows the pointer. */
export const chosen = signal(kept(name) ?? []);
export const refusal = signal(null);
const busy = signal(false);

export function choose(items) {
  chosen.value = items;
  refusal.value = null;
  keep(name, items.length ? items : null);
}

/** Put this in place of what is being chosen; what was set aside stays. */
export function chooseNow(item) {
  const aside = chosen.value.filter((one) => one.aside);
  choose([...aside, item]);
}

export function being() {
  return chosen.value.find((one) => !one.aside);
}

/** Where the choice began, and whether the next plain click still ends it: { board, line, cell, isOpen }. */
export const anchor = signal(null);

/** The run of cells that pointing at one of them now means, or nothing; the second pointing ends what the first began. */
export function runAt(board, name, line, place, extend) {
  const began = anchor.value?.board === name && anchor.value.line === line.key && being() ? anchor.value : null;
  const from = began && (extend || began.isOpen) ? line.cells.findIndex((cell) => cell.key === began.cell) : -1;
  const run = runFrom(board, line.cells, from < 0 ? null : from, place);
  if (!run) return null;
  const goesOn = from >= 0 && run[0] <= Math.min(from, place) && Math.max(from, place) <= run[1];
  anchor.value = goesOn ? { ...began, isOpen: extend } : { board: name, line: line.key, cell: line.cells[place].key, isOpen: true };
  return run;
}

/** Hold a basket, at the price of a quote if there is one; answers whether it is held. Any page's hold goes this way. */
export async function hold(items, quote) {
  busy.value = true;
  try {
    await ask("POST", "/holds", { ...basketOf(items), ...(quote && { quote: quote.token }) });
    forgetWishes();
    return true;
  } catch (refused) {
    if (refused.problem?.code === "quote_expired") quoteAgain();
    throw refused;
  } finally {
    busy.value = false;
  }
}

export async function holdChosen(items, quote) {
  refusal.value = null;
  try {
    await hold(items, quote);
    choose([]);
    say("Held for you");
  } catch (refused) {
    refusal.value = refused;
  }
}

function change(one, fields) {
  const item = { ...one.item, ...fields };
  if (fields.quantity && item.guests < 1) item.guests = 1;
  choose(chosen.value.map((other) => (other === one ? { ...one, item, price: priceOf(one.type, item, one.zone) } : other)));
}

function priceOf(type, item, zone) {
  if (item.kind === "stay") return nightsPrice(type, item.check_in, item.check_out) * item.quantity;
  return hoursPrice(type, Date.parse(item.starts_at), Date.parse(item.ends_at), zone);
}

/** An item of a room type as it is chosen: with what it is called, how many it takes and what it costs. */
export function asChosen(item, { capacity, sold_as, price, discount_percentage, rates }, title, venue) {
  const type = { price, discount_percentage, rates };
  return { item, title, capacity, isPool: sold_as === "pool", type, price: priceOf(type, item, venue.timezone), currency: venue.currency, zone: venue.timezone };
}

function Line({ one, zone, free }) {
  const { item } = one;
  const when = item.kind === "stay" ? stayWords(item) : timeRange(item.starts_at, item.ends_at, zone);
  const visitors = item.kind === "slot" && visitorsTime(item.starts_at, zone);
  return html`<div class="chosen-line">
    <p><b>${one.title}</b>, ${when}${visitors && html` <small class="quiet">${visitors}</small>`} · <span class="number">${money(one.price, one.currency)}</span></p>
    <div class="steppers">
      ${item.kind === "stay" && one.isPool && html`<${Stepper} label="rooms" value=${item.quantity} least=${1} most=${Math.max(1, Math.min(100, free ?? 100))} onChange=${(quantity) => change(one, { quantity, guests: Math.min(Math.max(item.guests, quantity), quantity * one.capacity) })} />`}
      <${Stepper} label="guests" value=${item.guests} least=${1} most=${one.capacity * (item.quantity ?? 1)} onChange=${(guests) => change(one, { guests })} />
    </div>
    <button type="button" class="button bare" aria-label=${`Leave out ${one.title}, ${when}`} onClick=${() => choose(chosen.value.filter((other) => other !== one))}>✕</button>
  </div>`;
}

/** The bar that says what is chosen, what it costs, and holds it. */
export function Chosen({ venue, kind, isFree, most }) {
  const items = chosen.value.filter((one) => one.item.kind === kind);
  const priced = useQuote(items.length ? chosen.value.map((one) => one.item) : []);
  if (!items.length && !(refusal.value && refusal.value.about === kind)) return null;
  const last = items.at(-1);
  const quote = priced.isCurrent ? priced.quote : null;
  const totals = {};
  for (const one of chosen.value) totals[one.currency] = (totals[one.currency] ?? 0) + one.price;
  const gone = items.filter((one) => !isFree(one));
  const label = (one) => `${one.label}: ${one.item.kind === "stay" ? stayWords(one.item) : one.item.kind === "slot" ? timeRange(one.item.starts_at, one.item.ends_at, venue.timezone) : ""} ${money(one.price, one.currency)}`;
  const pick = (one) => holdChosen(chosen.value.map((other, n) => (n === (one.for_item ?? 0) ? one.item : other.item)));
  return html`<div class="chosen" role="group" aria-label="What you have chosen">
    <div class="chosen-lines">${items.map((one) => html`<${Line} key=${JSON.stringify(one.item)} one=${one} zone=${venue.timezone} free=${most?.(one)} />`)}</div>
    ${gone.length > 0 && html`<p class="wrong" role="alert">${gone.map((one) => one.title).join(", ")}: somebody was faster. Choose another time.</p>`}
    <${Extras} venue=${venue} priced=${priced.isCurrent ? priced : null} />
    <${Refused} refusal=${refusal.value} onPick=${pick} label=${label} />
    <div class="row">
      <button type="button" class="button main" disabled=${busy.value || gone.length > 0} onClick=${() => holdChosen(chosen.value.map((one) => one.item), quote)}>
        ${chosen.value.length > 1 ? `Hold all ${chosen.value.length}, ${quote ? money(quote.total, quote.currency) : sums(totals)}` : "Hold"} for ${duration(venue.hold_seconds)}
      </button>
      <button type="button" class="button" disabled=${last?.aside} onClick=${() => choose(chosen.value.map((one) => ({ ...one, aside: true })))} title="Choose more, and hold all together">+ More</button>
    </div>
  </div>`;
}
