/** What a guest pays at the desk, recorded by its staff. */

import { useEffect, useState } from "preact/hooks";
import { Refusal, ask } from "./account.js";
import { say } from "./announce.js";
import { Choice, Field, Form } from "./fields.js";
import { PLANS } from "./lines.js";
import { html } from "./page.js";
import { Waiting, asked } from "./personal.js";
import { minorOf, money, plain } from "./words.js";

export function Cash({ booking, before, onDone }) {
  const { currency } = booking;
  const [folio] = useState(() => asked(`/bookings/${booking.id}/folio`));
  const [plan, setPlan] = useState(null);
  useEffect(() => void folio.load(), []);
  const of = folio.data.value;
  if (!of) return html`<h2>Cash for ${booking.reference}</h2><${Waiting} of=${folio} />`;
  const plans = of.paid ? [] : (of.quote?.plans ?? []);
  const chosen = plans.find((one) => one.plan === (plan ?? of.plan)) ?? plans[0];
  const open = chosen ? chosen.total : of.open;
  const next = chosen ? chosen.instalments[0].amount : of.next;
  const send = async (form) => {
    const amount = minorOf(form.elements.amount.value, currency);
    if (!amount) throw new Refusal({ status: 422, errors: [{ field: "amount", message: "must be an amount such as 12.50" }] });
    before();
    await ask("POST", `/bookings/${booking.id}/cash`, { amount, ...(chosen && { plan: chosen.plan }), venue_id: booking.items[0].venue_id });
    say(`${booking.reference} ${money(amount, currency)} recorded`);
    onDone();
  };
  return html`<h2>Cash for ${booking.reference}</h2><p class="number">${money(open, currency)} are open.</p>
    <${Form} name=${`cash.${booking.id}`} submit="It was paid" label="Record cash" send=${send} more=${html`<button type="button" class="button" onClick=${onDone}>Leave it</button>`}>${(refusal) => html`
      ${plans.length > 1 && html`<${Choice} label="Plan" name="plan" options=${plans.map((one) => [one.plan, `${PLANS[one.plan]}, ${money(one.total, currency)}`])} chosen=${chosen.plan} refusal=${refusal} onChange=${({ target }) => setPlan(target.value)} />`}
      <${Field} key=${next} label=${`Amount, ${currency}`} name="amount" inputmode="decimal" autocomplete="off" maxlength="16" defaultValue=${plain(next, currency)} refusal=${refusal} required />`}<//>`;
}
