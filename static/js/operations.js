/** What of money waits for somebody: refunds to approve, what providers left open, corrections of wallets; of a venue or of all. */

import { useEffect, useRef } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Adjusting, Adjustments } from "./adjusting.js";
import { Field, Sentence, useAct } from "./fields.js";
import { followDesk } from "./following.js";
import { data, html, may, now } from "./page.js";
import { Pages, filters } from "./paging.js";
import { Mark, PAYMENT, REFUND, methods, wayName } from "./paying.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { forgetTyped, keepTyped } from "./typed.js";
import { ago, dateTime, money } from "./words.js";

const SOON = 200;
const LOOK_AGAIN = 15_000;

const of = data.venue_id ? `?venue_id=${data.venue_id}` : "";
const operations = asked(`/operations${of}`);
const payments = asked(() => `/payments?${filters(data.venue_id ? { venue_id: data.venue_id } : {})}`);
// Only a desk has cash.
const approved = asked(`/refunds?venue_id=${data.venue_id}&status=approved&per_page=100`);
const adjustments = asked("/wallet/adjustments?status=pending&per_page=100");
const isOfAll = !data.venue_id;
const mayAdjust = () => isOfAll && may("payment:manage");
const shown = () => [operations, payments, ...(isOfAll ? [] : [approved]), ...(mayAdjust() ? [adjustments] : [])];
const load = () => Promise.all(shown().map((one) => one.load()));

let due = null;
function soon() {
  clearTimeout(due);
  due = setTimeout(load, SOON);
}
// A venue's desk hears of its money; nobody's room tells of everybody's.
if (data.venue_id) followDesk(data.venue_id, soon);
else setInterval(() => !document.hidden && operations.data.value && load(), LOOK_AGAIN);

const TARGETS = { original: "to where it came from", wallet: "to the wallet", cash: "in cash" };
const Booking = ({ id }) => (id ? html`<a href=${`/checkout/${id}`}>booking ${id}</a>` : "a wallet");

/** A decision with its reason: what is said goes to the other side. */
export function Deciding({ name, path, yes, no, what }) {
  const form = useRef(null);
  const { busy, refusal, run } = useAct();
  useEffect(() => void keepTyped(form.current, name), []);
  const decide = (how, word) => run(async () => {
    await ask("POST", `${path}/${how}`, { reason: form.current.elements.reason.value.trim() });
    forgetTyped(name);
    say(`${what} ${word}`);
    await load();
  });
  return html`<form ref=${form} class="fields" aria-label=${`Decide on ${what}`} onSubmit=${(event) => event.preventDefault()}>
    <${Field} label="Reason" name="reason" maxlength="500" autocomplete="off" refusal=${refusal} />
    <${Sentence} refusal=${refusal} form=${form.current} />
    <div class="row"><button type="button" class="button main" disabled=${busy} aria-label=${`${yes} ${what}`} onClick=${() => decide("approve", "approved")}>${yes}</button>
      <button type="button" class="button" disabled=${busy} aria-label=${`${no} ${what}`} onClick=${() => decide("reject", "rejected")}>${no}</button></div></form>`;
}

function ToApprove({ items }) {
  if (!items.length) return html`<p class="quiet">No refund waits for approval.</p>`;
  return html`<ul class="lines queue">${items.map((one) => html`<li key=${one.id} data-refund=${one.id}><div><b class="number">${money(one.amount, one.currency)}</b> of <${Booking} id=${one.booking_id} />, ${TARGETS[one.target]}
    <p class="small quiet">${ago(one.created_at, now.value)}${one.reason ? ` · ${one.reason}` : ""}</p></div>
    <${Deciding} name=${`refund.${one.id}`} path=${`/refunds/${one.id}`} yes="Approve" no="Reject" what=${`refund ${one.id}`} /></li>`)}</ul>`;
}

function HandOver({ one }) {
  const { busy, refusal, run } = useAct();
  const done = () => run(() => ask("POST", `/refunds/${one.id}/hand-over`, {})).then(load);
  return html`<li data-refund=${one.id}><div><b class="number">${money(one.amount, one.currency)}</b> of <${Booking} id=${one.booking_id} /><p class="small quiet">${one.reason}</p></div>
    <button type="button" class="button" disabled=${busy} aria-label=${`Handed over, refund ${one.id}`} onClick=${done}>Handed over</button><${Sentence} refusal=${refusal} /></li>`;
}

function Failed({ one }) {
  const { busy, refusal, run } = useAct();
  const retry = (target) => run(() => ask("POST", `/refunds/${one.id}/retry`, target ? { target } : {})).then(load);
  return html`<li data-refund=${one.id}><div><b class="number">${money(one.amount, one.currency)}</b> of <${Booking} id=${one.booking_id} />, ${TARGETS[one.target]}<p class="small quiet">${one.failure ?? "The provider has refused it."}</p></div>
    <div class="row"><button type="button" class="button" disabled=${busy} onClick=${() => retry()}>Try again</button>
      ${one.target !== "wallet" && html`<button type="button" class="button" disabled=${busy} onClick=${() => retry("wallet")}>To the wallet instead</button>`}</div><${Sentence} refusal=${refusal} /></li>`;
}

/** Whoever has cleared something up at the provider says so here, and it is looked at no more. */
function Settled({ one }) {
  const form = useRef(null);
  const { busy, refusal, run } = useAct();
  const settle = () => run(async () => {
    await ask("POST", `/payments/${one.id}/resolve`, { reason: form.current.elements.reason.value.trim() });
    say(`payment ${one.id} settled by hand`);
    await load();
  });
  return html`<form ref=${form} class="fields" aria-label=${`Settle payment ${one.id} by hand`} onSubmit=${(event) => event.preventDefault()}>
    <${Field} label="What was done at the provider" name="reason" maxlength="500" autocomplete="off" refusal=${refusal} required />
    <${Sentence} refusal=${refusal} form=${form.current} />
    <div class="row"><button type="button" class="button" disabled=${busy} aria-label=${`Settled by hand, payment ${one.id}`} onClick=${settle}>Settled by hand</button></div></form>`;
}

function Stuck({ one }) {
  const { busy, refusal, run } = useAct();
  const look = () => run(() => ask("POST", `/payments/${one.id}/check`, {})).then(load);
  return html`<li data-payment=${one.id}><div><b class="number">${money(one.amount, one.currency)}</b> by ${wayName(one.gateway)} for <${Booking} id=${one.booking_id} /> <${Mark} of=${one} words=${PAYMENT} />
    <p class="small quiet">${one.finding} · since ${dateTime(one.created_at)}</p></div>
    <button type="button" class="button" disabled=${busy} aria-label=${`Look again at payment ${one.id}`} onClick=${look}>Look again</button><${Sentence} refusal=${refusal} />
    ${isOfAll && may("payment:update") && html`<${Settled} one=${one} />`}</li>`;
}

function Events({ items }) {
  return html`<ul class="lines">${items.map((one) => html`<li key=${`${one.gateway} ${one.event_id}`}><div>${one.kind}<p class="small quiet">${wayName(one.gateway)} · ${one.event_id} · ${dateTime(one.received_at)}</p></div></li>`)}</ul>`;
}

function Payments() {
  const { items, meta } = payments.data.value;
  if (!items.length) return html`<p class="quiet">Nothing was paid yet.</p>`;
  return html`<ul class="lines moves">${items.map((one) => html`<li key=${one.id} data-paid=${one.id}><div>${wayName(one.gateway)} for <${Booking} id=${one.booking_id} /> <${Mark} of=${one} words=${PAYMENT} /><p class="small quiet">${dateTime(one.created_at)}${one.failure ? ` · ${one.failure}` : ""}</p></div><b class="number">${money(one.amount, one.currency)}</b></li>`)}</ul><${Pages} meta=${meta} one="payment" />`;
}

function Operations() {
  if (!useTogether(methods, ...shown())) return html`<${OnItsWay} />`;
  const found = operations.data.value;
  if (!found) return html`<${Waiting} of=${operations} />`;
  const cash = (approved.data.value?.items ?? []).filter((one) => one.target === "cash");
  return html`<div class="columns"><div class="stack">
      <${Section} title="Refunds to approve" id="approve"><${ToApprove} items=${found.to_approve} /><//>
      ${cash.length > 0 && html`<${Section} title="Cash to hand over" id="cash"><ul class="lines">${cash.map((one) => html`<${HandOver} key=${one.id} one=${one} />`)}</ul><//>`}
      ${found.failed.length > 0 && html`<${Section} title="Refunds that failed" id="failed"><ul class="lines">${found.failed.map((one) => html`<${Failed} key=${one.id} one=${one} />`)}</ul><//>`}
      <${Section} title="Payments to look at" id="stuck">${found.payments.length ? html`<ul class="lines queue">${found.payments.map((one) => html`<${Stuck} key=${one.id} one=${one} />`)}</ul>` : html`<p class="quiet">Every payment is where its provider says it is.</p>`}<//>
      ${found.unknown_events.length > 0 && html`<${Section} title="Told by providers, known to nobody" id="events"><${Events} items=${found.unknown_events} /><//>`}
      ${mayAdjust() && html`<${Section} title="Corrections of wallets" id="adjustments"><${Adjustments} list=${adjustments} deciding=${Deciding} /><${Adjusting} list=${adjustments} /><//>`}
    </div><div class="stack"><${Section} title="Payments" id="payments"><${Waiting} of=${payments} />${payments.data.value && html`<${Payments} />`}<//></div></div>`;
}

drawFor(Operations, isOfAll ? "payment:read" : undefined);
