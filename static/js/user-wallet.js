/** Somebody's wallet, as those see it who look after payments: what it holds, and letting it be paid from again. */

import { ask } from "./account.js";
import { Field, Form } from "./fields.js";
import { html, may } from "./page.js";
import { Waiting } from "./personal.js";
import { dateTime, money } from "./words.js";

function Unfreezing({ one, load }) {
  const send = async (form) => {
    await ask("POST", "/wallet/unfreeze", { user_id: one.user_id, currency: one.currency, reason: form.elements.reason.value.trim() });
    await load();
  };
  return html`<${Form} name=${`unfreeze.${one.user_id}.${one.currency}`} submit="Let it be paid from again" label=${`Unfreeze ${one.currency}`} main=${false} send=${send}>${(refusal) => html`
    <${Field} label="Why" name="reason" maxlength="500" autocomplete="off" refusal=${refusal} required />`}<//>`;
}

/** `wallet` is asked for by whoever draws this. */
export function UserWallet({ wallet }) {
  if (!wallet.data.value) return html`<${Waiting} of=${wallet} />`;
  const { balances } = wallet.data.value;
  return html`<ul class="lines">${balances.map((one) => html`<li key=${one.currency}><div class="number"><b>${money(one.balance, one.currency)}</b>${one.frozen_at && html`<p class="small quiet">frozen since ${dateTime(one.frozen_at)}: a payment that filled it is disputed</p>`}</div>${one.frozen_at && may("payment:manage") && html`<${Unfreezing} one=${one} load=${wallet.load} />`}</li>`)}${!balances.length && html`<li class="quiet">Nothing is in it.</li>`}</ul>`;
}
