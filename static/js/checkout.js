/** The checkout of one booking: what it costs, by which plan and way it is paid, and what has become of it, live. */

import { effect, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Refusal, ask, person } from "./account.js";
import { STATES, stateOf } from "./acting.js";
import { say } from "./announce.js";
import { bookings, itemTime } from "./basket.js";
import { Ring } from "./cells.js";
import { Field, Form, Sentence, useAct } from "./fields.js";
import { followDesk, followMe } from "./following.js";
import { Cancellation, Items, Lines, PLANS, dueWords, planWords } from "./lines.js";
import { data, html, now } from "./page.js";
import { Papers } from "./papers.js";
import { Mark, PAYMENT, REFUND, UnderWay, Ways, balanceOf, goOn, methods, wallet, wayName } from "./paying.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { keep, kept } from "./typed.js";
import { areAnswered, venueOf, zoneOf } from "./venues.js";
import { clock, dateTime, many, minorOf, money, plain } from "./words.js";

const SOON = 150;
const name = `checkout.${data.booking_id}`;
const folio = asked(`/bookings/${data.booking_id}/folio`);

/** What was chosen here and not yet paid: { plan, gateway }. */
const chosen = signal(kept(name) ?? {});
function choose(fields) {
  chosen.value = { ...chosen.value, ...fields };
  keep(name, chosen.value);
}

let due = null;
const load = () => Promise.all([folio.load(), wallet.load()]);
function soon() {
  clearTimeout(due);
  due = setTimeout(load, SOON);
}
followMe(soon);
// A snapshot in place of missed events tells nothing of payments, so what is shown is asked for anew.
let first = true;
effect(() => {
  if (bookings.value.length && !first) soon();
  first = !bookings.value.length;
});

const isMine = (booking) => booking.user_id === person.value.id;

/** Whether what was agreed is still what is booked: not where some of it was cancelled or moved since. */
const isAsAgreed = ({ quote, booking }) => Boolean(quote) && [quote, ...quote.plans].some((one) => one.total === booking.price);

/** The plans worth choosing: one that asks for all at once as well, and for more, is none. */
function plansOf(of) {
  const plans = isAsAgreed(of) ? of.quote.plans : [];
  const full = plans.find((one) => one.plan === "full");
  return plans.filter((one) => !full || one === full || one.instalments.length > 1 || one.total < full.total);
}

/** The plan that is chosen as long as nothing was paid; then it is what it is. */
function planOf(of) {
  if (of.paid) return of.quote?.plans.find((one) => one.plan === of.plan) ?? null;
  const plans = plansOf(of);
  return plans.find((one) => one.plan === (chosen.value.plan ?? of.plan)) ?? plans[0] ?? null;
}

/** The booking as it is told live, where it is one's own; a desk sees what it asked for. */
const bookingOf = (of) => bookings.value.find((one) => one.id === data.booking_id) ?? of.booking;

function What({ of, booking, plan }) {
  const zone = zoneOf(booking.items[0].venue_id);
  const found = [...new Set(booking.items.map((item) => item.venue_id))].map(venueOf).filter(Boolean);
  return html`<${Section} title=${isMine(booking) ? "What you book" : `What ${booking.guest_details?.full_name || booking.guest.full_name} books`} id="what">
    ${booking.items.filter((item) => item.kind !== "addon").map((item) => html`<h3 key=${item.id}>${item.title}</h3><p><span class="number">${itemTime(item, zoneOf(item.venue_id))}</span>${item.quantity > 1 ? `, ${many(item.quantity, item.kind === "place" ? "place" : "room")}` : ""}</p>`)}
    ${found.map((venue) => html`<p class="small" key=${venue.id}><a href=${`/venues/${venue.id}`}>${venue.name}</a>${venue.city ? ` · ${venue.city}` : ""}</p>`)}
    ${isAsAgreed(of) ? html`<${Lines} quote=${of.quote} plan=${plan} />` : html`<${Items} booking=${booking} />`}
    ${of.quote && html`<${Cancellation} quote=${of.quote} zone=${zone} />`}<//>`;
}

function Clock({ booking }) {
  const until = Date.parse(booking.expires_at);
  const full = Math.max(1_000, until - Date.parse(booking.updated_at));
  return html`<span class="clock number" role="timer" aria-label=${`${Math.max(0, Math.ceil((until - now.value) / 60_000))} minutes left`}><${Ring} until=${until} full=${full} />${clock(until - now.value)}</span>`;
}

function Plans({ of, zone, picked }) {
  return html`<fieldset class="ways"><legend>Plan</legend>${plansOf(of).map((plan) => html`<label class="choice" key=${plan.plan}>
    <input type="radio" name="plan" value=${plan.plan} checked=${picked.plan === plan.plan} onChange=${() => choose({ plan: plan.plan })} />
    <span><b>${PLANS[plan.plan]}</b><small>${planWords(plan, of.quote.currency, zone)}</small>${plan.bonus.length > 0 && html`<small>with ${plan.bonus.join(", ")}</small>`}</span></label>`)}</fieldset>`;
}

/** A part of what is open, or more than what is due now. */
function OtherAmount({ open, currency, pay }) {
  const send = async (form) => {
    const amount = minorOf(form.elements.amount.value, currency);
    if (!amount) throw new Refusal({ status: 422, errors: [{ field: "amount", message: "must be an amount such as 12.50" }] });
    await pay(amount);
  };
  return html`<details><summary>Pay another amount</summary><${Form} name=${`${name}.amount`} submit="Pay this much" label="Pay another amount" main=${false} send=${send}>${(refusal) => html`
    <${Field} label=${`Amount, ${currency}`} name="amount" inputmode="decimal" autocomplete="off" maxlength="16" hint=${`At most ${plain(open, currency)}, which is all that is open.`} refusal=${refusal} required />`}<//></details>`;
}

function Paying({ of, booking, plan, zone }) {
  const { busy, refusal, run } = useAct();
  const { currency } = booking;
  const picksPlan = plansOf(of).length > 1 && !of.paid;
  const next = plan && !of.paid ? plan.instalments[0].amount : of.next;
  const open = plan && !of.paid ? plan.total : of.open;
  const offered = methods.data.value?.items.filter((one) => !one.currencies || one.currencies.includes(currency)) ?? [];
  const usable = offered.filter((one) => one.gateway !== "wallet" || balanceOf(currency) > 0);
  const gateway = usable.find((one) => one.gateway === chosen.value.gateway)?.gateway ?? usable.find((one) => one.gateway !== "wallet")?.gateway ?? usable[0]?.gateway;
  const part = gateway === "wallet" ? Math.min(next, balanceOf(currency)) : next;
  const start = async (amount) => {
    const started = await ask("POST", "/payments", { booking_id: booking.id, gateway, ...(plan && !of.paid && { plan: plan.plan }), amount });
    goOn(started);
    if (!started.pay_at.redirect_url) await load();
  };
  const isInstant = booking.items.every((item) => venueOf(item.venue_id)?.confirmation === "instant");
  const later = () => run(() => ask("POST", `/holds/${booking.id}/confirm`, {})).then(load);
  return html`<div class="pay">
    ${picksPlan && html`<${Plans} of=${of} zone=${zone} picked=${plan} />`}
    <${Ways} amount=${next} currency=${currency} chosen=${gateway} onChoose=${(one) => choose({ gateway: one })} />
    <${Sentence} refusal=${refusal} />
    ${gateway && html`<div class="row">
      <button type="button" class="button main" disabled=${busy} onClick=${() => run(() => start(part))}>Pay ${money(part, currency)}</button>
      ${stateOf(booking) === "held" && isInstant && html`<button type="button" class="button" disabled=${busy} onClick=${later}>Book now, pay later</button>`}</div>
      <${OtherAmount} open=${open} currency=${currency} pay=${start} />`}
  </div>`;
}

/** What costs nothing, or nothing any more, is booked without paying. */
function Free({ booking }) {
  const { busy, refusal, run } = useAct();
  const book = () => run(() => ask("POST", `/holds/${booking.id}/confirm`, {})).then(load);
  return html`<div class="row between"><button type="button" class="button main" disabled=${busy} onClick=${book}>Book it</button>${booking.expires_at && html`<${Clock} booking=${booking} />`}</div><${Sentence} refusal=${refusal} />`;
}

/** What has come of it, in one sentence, with what can be done next. */
function Result({ of, booking }) {
  const state = stateOf(booking);
  const said = {
    confirmed: of.open ? "Booked." : of.paid ? "Booked and paid." : "Booked.",
    completed: isMine(booking) ? "You were there." : "The guest came.",
    pending: "Booked, as soon as the first payment is there.",
    cancelled: "This booking is cancelled.",
    expired: "The hold ran out before it was paid.",
    no_show: isMine(booking) ? "You were expected and did not come." : "The guest did not come.",
  }[state];
  if (!said) return null;
  const venue = venueOf(booking.items[0].venue_id);
  const isOver = ["cancelled", "expired"].includes(state);
  const kept = of.paid - of.refunds.filter((one) => one.status === "pending").reduce((sum, one) => sum + one.amount, 0);
  return html`<div class="done result" role="status"><p><b>${said}</b> Reference <b class="number">${booking.reference}</b></p>
    ${state === "cancelled" && kept > 0 && html`<p>${money(kept, booking.currency)} stay with the venue by its terms.</p>`}
    <${Papers} booking=${booking} />
    <div class="row">${isMine(booking) ? html`<a class="button" href="/bookings">My bookings</a>` : html`<a class="button" href="/dashboard">Dashboard</a>`}${isOver && isMine(booking) && venue && html`<a class="button" href=${`/venues/${venue.id}`}>Choose again</a>`}</div></div>`;
}

function History({ of, currency }) {
  const rows = [
    ...of.payments.map((one) => ({ one, at: one.created_at, what: wayName(one.gateway), amount: one.amount, mark: html`<${Mark} of=${one} words=${PAYMENT} />`, more: one.failure })),
    ...of.refunds.map((one) => ({ one, at: one.created_at, what: `Refund ${one.target === "wallet" ? "to the wallet" : one.target === "cash" ? "in cash" : "to where it came from"}`, amount: -one.amount, mark: html`<${Mark} of=${one} words=${REFUND} />`, more: one.decision || one.failure })),
  ].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  if (!rows.length) return null;
  return html`<${Section} title="Payments" id="payments"><ul class="lines moves">${rows.map(({ one, at, what, amount, mark, more }) => html`<li key=${`${what} ${one.id}`}><div>${what} ${mark}<p class="small quiet">${dateTime(at)}${more ? ` · ${more}` : ""}</p></div><b class="number">${money(amount, currency)}</b></li>`)}</ul><//>`;
}

function Instalments({ of, currency, zone }) {
  if (of.instalments.length < 2) return null;
  return html`<ul class="lines">${of.instalments.map((one, n) => html`<li key=${n}><div class="number">${money(one.amount, currency)}</div><span class="small quiet">${one.state === "coming" ? dueWords(one, zone) : one.state}</span></li>`)}</ul>`;
}

function Due({ of, booking, zone }) {
  const state = stateOf(booking);
  const isLive = ["held", "pending", "confirmed"].includes(state);
  const picked = of.paid ? null : planOf(of);
  const next = picked ? picked.instalments[0].amount : of.next;
  const underWay = of.payments.find((one) => ["starting", "pending"].includes(one.status));
  if (isMine(booking) && state === "held" && !(picked ? picked.total : of.open)) return html`<${Section} title="Nothing is due" id="pay"><${Free} booking=${booking} /><//>`;
  if (!isLive || !(picked ? picked.total : of.open)) return null;
  return html`<${Section} title="Pay" id="pay">
    <p class="due"><span>Due ${of.due || picked ? "now" : "next"} <b class="number">${money(next, booking.currency)}</b></span>${booking.expires_at && html`<${Clock} booking=${booking} />`}</p>
    ${of.paid > 0 && html`<p>${money(of.paid, booking.currency)} of ${money(booking.price, booking.currency)} are paid.</p><${Instalments} of=${of} currency=${booking.currency} zone=${zone} />`}
    ${!isMine(booking) ? html`<p class="quiet">The guest pays here; what is paid at the desk is recorded on the dashboard.</p>`
      : underWay ? html`<${UnderWay} key=${underWay.id} payment=${underWay} load=${load} />`
      : html`<${Paying} of=${of} booking=${booking} plan=${picked} zone=${zone} />`}<//>`;
}

function Checkout() {
  const isReady = useTogether(folio, methods, wallet);
  const [told, setTold] = useState("");
  const of = folio.data.value;
  const booking = of && bookingOf(of);
  const state = booking && `${STATES[stateOf(booking)]}, ${booking.payment_status}`;
  useEffect(() => {
    if (told && state && told !== state) say(`${booking.reference} ${STATES[stateOf(booking)]}`);
    if (state) setTold(state);
  }, [state]);
  // A desk hears of the booking in its own room.
  useEffect(() => {
    if (booking && !isMine(booking)) for (const item of booking.items) followDesk(item.venue_id, soon);
  }, [Boolean(booking)]);
  // Its venues' names and clocks come with it, or everything below would jump.
  if (!isReady || (booking && !areAnswered(booking.items.map((item) => item.venue_id)))) return html`<${OnItsWay} />`;
  if (!of) return html`<${Waiting} of=${folio} />`;
  const zone = zoneOf(booking.items[0].venue_id);
  return html`<div class="checkout"><div class="stack"><${What} of=${of} booking=${booking} plan=${planOf(of)} /></div>
    <div class="stack"><${Result} of=${of} booking=${booking} /><${Due} of=${of} booking=${booking} zone=${zone} /><${History} of=${of} currency=${booking.currency} /></div></div>`;
}

drawFor(Checkout);
