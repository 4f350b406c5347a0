/** Corrections of wallets by hand: asked for with a reason, and above a limit approved by somebody else. */

import { Refusal, ask, person } from "./account.js";
import { Choice, Field, Form } from "./fields.js";
import { data, html, now } from "./page.js";
import { Waiting } from "./personal.js";
import { whole } from "./reading.js";
import { ago, minorOf, money } from "./words.js";

export function Adjustments({ list, deciding: Deciding }) {
  const items = list.data.value?.items;
  if (!items) return html`<${Waiting} of=${list} />`;
  if (!items.length) return html`<p class="quiet">No correction waits for approval.</p>`;
  return html`<ul class="lines queue">${items.map((one) => html`<li key=${one.id} data-adjustment=${one.id}><div><b class="number">${money(one.amount, one.currency)}</b> for <a href=${`/admin/users/${one.user_id}`}>person ${one.user_id}</a><p class="small quiet">${ago(one.created_at, now.value)} · ${one.reason}</p></div>
    ${one.asked_by === person.value.id ? html`<p class="small quiet">Somebody else approves it.</p>` : html`<${Deciding} name=${`adjustment.${one.id}`} path=${`/wallet/adjustments/${one.id}`} yes="Approve" no="Reject" what=${`correction ${one.id}`} />`}</li>`)}</ul>`;
}

export function Adjusting({ list }) {
  const send = async (form) => {
    const { elements } = form;
    const currency = elements.currency.value;
    const typed = elements.amount.value.trim();
    const amount = minorOf(typed.replace(/^[-−]/, ""), currency) * (/^[-−]/.test(typed) ? -1 : 1);
    if (!amount) throw new Refusal({ status: 422, errors: [{ field: "amount", message: "must be an amount such as 12.50 or -12.50" }] });
    const made = await ask("POST", "/wallet/adjustments", { user_id: whole(form, "user_id"), amount, currency, reason: elements.reason.value.trim() });
    form.reset();
    await list.load();
    return made.status === "pending" ? "It waits for somebody else to approve it." : "Done.";
  };
  return html`<details><summary>Correct a wallet</summary><${Form} name="adjust" submit="Correct it" label="Correct a wallet" main=${false} send=${send}>${(refusal) => html`<div class="pairs">
      <${Field} label="Person number" name="user_id" inputmode="numeric" autocomplete="off" maxlength="15" refusal=${refusal} required />
      <${Choice} label="Currency" name="currency" options=${data.currencies.map((code) => [code, code])} chosen="USD" refusal=${refusal} />
      <${Field} label="Amount; with a minus it is taken away" name="amount" autocomplete="off" maxlength="16" refusal=${refusal} required />
      <${Field} label="Why" name="reason" autocomplete="off" maxlength="500" refusal=${refusal} required /></div>`}<//></details>`;
}
