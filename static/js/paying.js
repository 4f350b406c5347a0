/** Paying: the ways there are to pay, and a payment that is under way, wherever its payer has to go for it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { Ring } from "./cells.js";
import { Sentence, useAct } from "./fields.js";
import { html, now } from "./page.js";
import { asPicture } from "./papers.js";
import { asked } from "./personal.js";
import { StripeForm } from "./stripe-form.js";
import { clock, dateTime, money } from "./words.js";

// How often a payment under way is asked for, beside what is told live: some providers only answer.
const LOOK_AGAIN = 6_000;

export const methods = asked("/payment-methods");
export const wallet = asked("/wallet");

const NAMES = { wallet: "Wallet", cash: "Cash at the desk" };
export const wayName = (gateway) => methods.data.value?.items.find((one) => one.gateway === gateway)?.name ?? NAMES[gateway] ?? gateway;

export const PAYMENT = { starting: "begins", pending: "under way", failed: "failed", cancelled: "cancelled", completed: "paid" };
export const REFUND = { pending: "waits for approval", approved: "on its way", processing: "on its way", completed: "paid back", rejected: "rejected", failed: "tried again" };

/** A payment's or refund's state as a mark with its word. */
export function Mark({ of, words }) {
  const shape = { completed: "completed", failed: "pending", cancelled: "cancelled", rejected: "cancelled" }[of.status] ?? "pending";
  return html`<span class="state" data-state=${shape}>${words[of.status]}</span>`;
}

export function balanceOf(currency) {
  const found = wallet.data.value?.balances.find((one) => one.currency === currency);
  return found && !found.frozen_at ? Math.max(0, found.balance) : 0;
}

/** The ways to pay an amount, one of which is chosen; a wallet that holds less pays its part. */
export function Ways({ amount, currency, chosen, onChoose, without = [] }) {
  const offered = (methods.data.value?.items ?? []).filter((one) => !without.includes(one.gateway) && (!currency || !one.currencies || one.currencies.includes(currency)));
  const balance = balanceOf(currency);
  const more = (one) => {
    if (one.gateway !== "wallet") return null;
    if (!balance) return "empty";
    return balance < amount ? `pays ${money(balance, currency)} of it` : `holds ${money(balance, currency)}`;
  };
  return html`<fieldset class="ways"><legend>Pay by</legend>${offered.map((one) => html`<label class="choice" key=${one.gateway}>
    <input type="radio" name="gateway" value=${one.gateway} checked=${chosen === one.gateway} disabled=${one.gateway === "wallet" && !balance} onChange=${() => onChoose(one.gateway)} />
    <span><b>${one.name}</b>${more(one) && html`<small>${more(one)}</small>`}</span></label>`)}
    ${methods.data.value && !offered.length && html`<p>Nothing takes ${currency} here; pay at the desk.</p>`}</fieldset>`;
}

/** Go where a payment that has begun goes on. */
export function goOn({ pay_at: at }) {
  if (at.redirect_url) location.assign(at.redirect_url);
}

/** A payment under way: what to do for it here, how long it is waited for, and how to leave it. */
export function UnderWay({ payment, load }) {
  const looking = useAct();
  const leaving = useAct();
  const [at, setAt] = useState(null);
  const isLooked = useRef(false);
  const look = async () => {
    if (isLooked.current) return;
    isLooked.current = true;
    const done = await looking.run(async () => {
      const found = await ask("POST", `/payments/${payment.id}/check`, {});
      setAt(found.pay_at);
      if (found.status !== payment.status) await load();
    });
    // What it needs is known to the hub even where its provider cannot be reached.
    if (!done) setAt((await ask("GET", `/payments/${payment.id}`).catch(() => null))?.pay_at ?? {});
    isLooked.current = false;
  };
  const leave = () => leaving.run(() => ask("POST", `/payments/${payment.id}/cancel`, {})).then(load);
  useEffect(() => {
    // Whoever comes back from a provider wants to know at once.
    look();
    const later = setInterval(() => document.visibilityState === "visible" && look(), LOOK_AGAIN);
    return () => clearInterval(later);
  }, [payment.id]);
  const until = payment.expires_at && Date.parse(payment.expires_at);
  return html`<div class="pay" data-payment=${payment.id}>
    <p role="status"><b class="number">${money(payment.amount, payment.currency)}</b> by ${wayName(payment.gateway)} ${at ? "has not come in yet." : "is looked for."}${until && until > now.value ? html` <span class="quiet small">It can be paid until ${dateTime(until)}.</span>` : ""}</p>
    ${at?.qr_svg && html`<${Scan} payment=${payment} at=${at} until=${until} />`}
    ${at?.client_secret && html`<${StripeForm} key=${payment.id} at=${at} onPaid=${look} />`}
    <div class="row">
      ${at?.redirect_url && html`<a class="button main" href=${at.redirect_url}>Go on to pay</a>`}
      <button type="button" class="button" disabled=${looking.busy} onClick=${look}>Look again</button>
      <button type="button" class="button" disabled=${leaving.busy} onClick=${leave}>Pay another way</button>
    </div><${Sentence} refusal=${leaving.refusal ?? looking.refusal} /></div>`;
}

/** A code to be scanned with a banking app, and the time it has left. */
function Scan({ payment, at, until }) {
  const full = useRef(until ? until - Date.parse(payment.created_at) : 0);
  return html`<div class="scan"><img class="qr" src=${asPicture(at.qr_svg)} alt="KHQR code to pay with a banking app" width="240" height="240" />
    <div><p>Scan this with your banking app.</p>${until && html`<p class="clock number" role="timer" aria-label=${`${Math.max(0, Math.ceil((until - now.value) / 60_000))} minutes left`}><${Ring} until=${until} full=${full.current} />${clock(until - now.value)}</p>`}</div></div>`;
}
