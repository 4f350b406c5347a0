/** What something costs, line by line, when how much of it is due, and what is paid back to whoever cancels. */

import { html, now } from "./page.js";
import { dateTime, longDay, money } from "./words.js";
import { localAt } from "./zone.js";

export const PLANS = { full: "All at once", deposit: "Deposit first", milestone: "In three parts" };

const SOLD = new Set(["stay", "slot", "place", "addon"]);

/** What is taken off or added to each item for one reason stands on one line. */
function merged(lines) {
  const found = new Map();
  for (const line of lines) {
    const key = SOLD.has(line.kind) ? found.size : `${line.kind} ${line.title} ${line.included}`;
    const other = found.get(key);
    found.set(key, other ? { ...other, amount: other.amount + line.amount } : { ...line, quantity: SOLD.has(line.kind) ? line.quantity : 1 });
  }
  return [...found.values()];
}

/** The lines of a quote as they add up; under a plan that takes something off, that too. */
export function Lines({ quote, plan, caption = "What it costs" }) {
  const { currency } = quote;
  const total = plan?.total ?? quote.total;
  const row = (line, n) => html`<tr key=${n} class=${line.included ? "small" : undefined}><th scope="row">${line.included ? `of which ${line.title}` : line.title}${line.quantity > 1 ? ` × ${line.quantity}` : ""}</th><td class="number">${money(line.amount, currency)}</td></tr>`;
  return html`<table class="sum"><caption class="only-read">${caption}</caption>
    <tbody>${merged(quote.lines).map(row)}
      ${total !== quote.total && html`<tr><th scope="row">Off for paying all at once</th><td class="number">${money(total - quote.total, currency)}</td></tr>`}
      ${plan?.bonus.map((bonus) => html`<tr key=${bonus} class="small"><th scope="row">${bonus}</th><td>free</td></tr>`)}</tbody>
    <tfoot><tr><th scope="row">Total</th><td class="number">${money(total, currency)}</td></tr></tfoot>
  </table>`;
}

/** What is booked by now, each item with its final price. */
export function Items({ booking }) {
  return html`<table class="sum"><caption class="only-read">What it costs</caption>
    <tbody>${booking.items.map((item) => html`<tr key=${item.id}><th scope="row">${item.title}${item.quantity > 1 ? ` × ${item.quantity}` : ""}</th><td class="number">${money(item.price, booking.currency)}</td></tr>`)}</tbody>
    <tfoot><tr><th scope="row">Total</th><td class="number">${money(booking.price, booking.currency)}</td></tr></tfoot></table>`;
}

/** When an instalment is due, in words. */
export function dueWords({ due_at: due }, zone) {
  if (!due || Date.parse(due) <= now.value) return "now";
  return `by ${longDay(localAt(Date.parse(due), zone).day)}`;
}

/** "60 % now, the rest by Fri 5 Mar." */
export function planWords(plan, currency, zone) {
  return plan.instalments.map((one) => `${money(one.amount, currency)} ${dueWords(one, zone)}`).join(", ");
}

/** What cancelling pays back until when; items with the same steps are said together, and by name where they differ. */
export function Cancellation({ quote, zone }) {
  const said = new Map();
  for (const { item, steps } of quote.cancellation) {
    const coming = steps.filter((step) => Date.parse(step.before) > now.value && step.percent > 0);
    const key = JSON.stringify(coming);
    const title = quote.lines.find((line) => line.item === item && SOLD.has(line.kind))?.title;
    said.set(key, { coming, titles: [...(said.get(key)?.titles ?? []), title] });
  }
  const words = (steps) => (steps.length
    ? `cancelled ${steps.map(({ before, percent }) => `before ${dateTime(before, zone)}, ${percent === 100 ? "all" : `${percent} %`} is paid back`).join("; ")}; after that nothing.`
    : "cancelled, nothing is paid back any more.");
  const sentence = ({ coming, titles }) => (said.size > 1 ? `${titles.filter(Boolean).join(", ")}: ${words(coming)}` : words(coming).replace(/^c/, "C"));
  return [...said].map(([key, one]) => html`<p class="small quiet" key=${key}>${sentence(one)}</p>`);
}
