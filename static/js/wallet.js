/** The wallet: what it holds in each currency, how that came about, filling it, and loyalty points; live. */

import { signal } from "@preact/signals";
import { Refusal, ask, person } from "./account.js";
import { Choice, Field, Form } from "./fields.js";
import { followMe } from "./following.js";
import { data, html } from "./page.js";
import { Pages } from "./paging.js";
import { UnderWay, Ways, goOn, methods, wallet } from "./paying.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { dateTime, minorOf, money, number } from "./words.js";

const SOON = 150;
const entries = asked(() => `/wallet/entries?page=${new URLSearchParams(location.search).get("page") ?? 1}`);
const points = asked("/points");
const payments = asked(() => `/payments?user_id=${person.value.id}&per_page=20`);
const gateway = signal(null);

const load = () => Promise.all([wallet, entries, points, payments].map((one) => one.load()));
let due = null;
followMe(() => {
  clearTimeout(due);
  due = setTimeout(load, SOON);
});

const WHAT = { top_up: "Filled up", payment: "Paid", refund_sent: "Paid back", refund: "Paid back", adjustment: "Corrected", dispute: "Disputed", points: "Points" };

function Balances() {
  const { balances } = wallet.data.value;
  if (!balances.length) return html`<p class="quiet">Nothing is in your wallet yet. Refunds can go here, and you can fill it to pay faster.</p>`;
  return html`<dl class="balances">${balances.map(({ currency, balance, frozen_at: frozen }) => html`<div key=${currency} data-currency=${currency}><dt>${currency}</dt><dd class="number">${money(balance, currency)}${frozen && html`<small class="wrong">frozen since ${dateTime(frozen)}: a payment that filled it is disputed</small>`}</dd></div>`)}</dl>`;
}

function TopUp() {
  const underWay = payments.data.value?.items.find((one) => one.booking_id === null && ["starting", "pending"].includes(one.status));
  if (underWay) return html`<${UnderWay} key=${underWay.id} payment=${underWay} load=${load} />`;
  const usable = (methods.data.value?.items ?? []).filter((one) => one.gateway !== "wallet");
  const chosen = usable.find((one) => one.gateway === gateway.value)?.gateway ?? usable[0]?.gateway;
  if (!chosen) return html`<p class="quiet">No provider is set up that could fill it.</p>`;
  const send = async (form) => {
    const currency = form.elements.currency.value;
    const amount = minorOf(form.elements.amount.value, currency);
    if (!amount) throw new Refusal({ status: 422, errors: [{ field: "amount", message: "must be an amount such as 12.50" }] });
    const started = await ask("POST", "/wallet/top-ups", { gateway: form.elements.gateway.value, amount, currency });
    goOn(started);
    await load();
  };
  const currency = person.value.currency ?? wallet.data.value.balances[0]?.currency ?? "USD";
  return html`<${Form} name="top-up" submit="Fill the wallet" label="Fill the wallet" send=${send}>${(refusal) => html`<div class="pairs">
      <${Field} label="Amount" name="amount" inputmode="decimal" autocomplete="off" maxlength="16" refusal=${refusal} required />
      <${Choice} label="Currency" name="currency" options=${data.currencies.map((code) => [code, code])} chosen=${currency} refusal=${refusal} /></div>
    <${Ways} amount=${0} chosen=${chosen} onChoose=${(one) => (gateway.value = one)} without=${["wallet"]} />`}<//>`;
}

function Moves() {
  const { items, meta } = entries.data.value;
  if (!items.length) return html`<p class="quiet">Nothing came in or went out yet.</p>`;
  return html`<ul class="lines moves">${items.map((one) => html`<li key=${one.id} data-entry=${one.kind}><div>${WHAT[one.kind] ?? one.kind.replaceAll("_", " ")}${one.booking_id ? html` <a href=${`/checkout/${one.booking_id}`}>booking ${one.booking_id}</a>` : ""}<p class="small quiet">${dateTime(one.at)}${one.reason ? ` · ${one.reason}` : ""}</p></div>
      <span class="number"><b class=${one.amount < 0 ? "out" : undefined}>${one.amount > 0 ? "+" : ""}${money(one.amount, one.currency)}</b><br /><small class="quiet">${money(one.balance, one.currency)}</small></span></li>`)}</ul>
    <${Pages} meta=${meta} one="movement" />`;
}

function Wallet() {
  if (!useTogether(wallet, entries, points, payments, methods)) return html`<${OnItsWay} />`;
  const earned = points.data.value?.points;
  return html`<div class="columns"><div class="stack">
      <${Section} title="Balance" id="balance"><${Waiting} of=${wallet} />${wallet.data.value && html`<${Balances} />`}<//>
      <${Section} title="Movements" id="movements"><${Waiting} of=${entries} />${entries.data.value && html`<${Moves} />`}<//>
    </div><div class="stack">
      <${Section} title="Fill it" id="fill"><${Waiting} of=${methods} />${methods.data.value && wallet.data.value && html`<${TopUp} />`}<//>
      <${Section} title="Loyalty points" id="points"><p>${earned ? html`<b class="number">${number(earned)}</b> points to use when you choose what to hold.` : "None yet. Venues that give points do so when you have been there."}</p><//>
    </div></div>`;
}

drawFor(Wallet);
