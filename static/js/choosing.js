/** What a visitor has chosen but not yet holds: it survives a reload, and is held all together or not at all. */

import { signal } from "@preact/signals";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Refused } from "./cells.js";
import { choose as runFrom, slotPrice } from "./grid.js";
import { data, html } from "./page.js";
import { keep, kept } from "./typed.js";
import { dayRange, duration, many, money, nightsOf, sums, timeRange, visitorsTime } from "./words.js";
import { addDays, daysBetween } from "./zone.js";

const name = `chosen.${data.venue_id}`;

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

/** Hold a basket; answers whether it is held. Any page's hold goes this way. */
export async function hold(items) {
  busy.value = true;
  try {
    await ask("POST", "/holds", { items });
    return true;
  } finally {
    busy.value = false;
  }
}

export async function holdChosen(items) {
  refusal.value = null;
  try {
    await hold(items);
    choose([]);
    say("Held for you");
  } catch (refused) {
    refusal.value = refused;
  }
}

export function stayWords(item) {
  const nights = daysBetween(item.check_in, item.check_out);
  const last = addDays(item.check_out, -1);
  return `${nights === 1 ? dayRange(item.check_in, item.check_in) : dayRange(item.check_in, last)}, ${nightsOf(nights)}`;
}

function Stepper({ label, value, least, most, onChange }) {
  return html`<span class="stepper" role="group" aria-label=${label}>
    <button type="button" class="button" aria-label=${`Fewer ${label}`} disabled=${value <= least} onClick=${() => onChange(value - 1)}>−</button>
    <output>${value}<span class="unit"> ${value === 1 ? label.replace(/s$/, "") : label}</span></output>
    <button type="button" class="button" aria-label=${`More ${label}`} disabled=${value >= most} onClick=${() => onChange(value + 1)}>+</button>
  </span>`;
}

export { Stepper };

function change(one, fields) {
  const item = { ...one.item, ...fields };
  if (fields.quantity && item.guests < 1) item.guests = 1;
  choose(chosen.value.map((other) => (other === one ? { ...one, item, price: priceOf(one, item) } : other)));
}

function priceOf(one, item) {
  if (item.kind === "stay") return one.rate * daysBetween(item.check_in, item.check_out) * item.quantity;
  return slotPrice(one.rate, (Date.parse(item.ends_at) - Date.parse(item.starts_at)) / 60_000);
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
  if (!items.length && !(refusal.value && refusal.value.about === kind)) return null;
  const last = items.at(-1);
  const totals = {};
  for (const one of chosen.value) totals[one.currency] = (totals[one.currency] ?? 0) + one.price;
  const gone = items.filter((one) => !isFree(one));
  const label = (one) => `${one.label}: ${one.item.kind === "stay" ? stayWords(one.item) : one.item.kind === "slot" ? timeRange(one.item.starts_at, one.item.ends_at, venue.timezone) : ""} ${money(one.price, one.currency)}`;
  const pick = (one) => holdChosen(chosen.value.map((other, n) => (n === (one.for_item ?? 0) ? one.item : other.item)));
  return html`<div class="chosen" role="group" aria-label="What you have chosen">
    <div class="chosen-lines">${items.map((one) => html`<${Line} key=${JSON.stringify(one.item)} one=${one} zone=${venue.timezone} free=${most?.(one)} />`)}</div>
    ${gone.length > 0 && html`<p class="wrong" role="alert">${gone.map((one) => one.title).join(", ")}: somebody was faster. Choose another time.</p>`}
    <${Refused} refusal=${refusal.value} onPick=${pick} label=${label} />
    <div class="row">
      <button type="button" class="button main" disabled=${busy.value || gone.length > 0} onClick=${() => holdChosen(chosen.value.map((one) => one.item))}>
        ${chosen.value.length > 1 ? `Hold all ${chosen.value.length}, ${sums(totals)}` : "Hold"} for ${duration(venue.hold_seconds)}
      </button>
      <button type="button" class="button" disabled=${last?.aside} onClick=${() => choose(chosen.value.map((one) => ({ ...one, aside: true })))} title="Choose more, and hold all together">+ More</button>
    </div>
  </div>`;
}
