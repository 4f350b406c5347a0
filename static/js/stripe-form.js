/** Stripe's own form, which comes from Stripe and sends what is typed into it there: no card ever meets the hub. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "./account.js";
import { Sentence, useAct } from "./fields.js";
import { html } from "./page.js";

// Of the same version of Stripe's interface as the hub's library.
const ADDRESS = "https://js.stripe.com/endive/stripe.js";
let coming = null;

function library() {
  coming ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = ADDRESS;
    script.onload = () => resolve(globalThis.Stripe);
    script.onerror = () => {
      coming = null;
      reject(new Refusal({ detail: "The card form cannot be reached; try again, or pay another way." }));
    };
    document.head.append(script);
  });
  return coming;
}

export function StripeForm({ at, onPaid }) {
  const place = useRef(null);
  const [form, setForm] = useState(null);
  const { busy, refusal, run } = useAct();
  const open = () => run(async () => {
    const stripe = (await library())(at.publishable_key);
    const elements = stripe.elements({ clientSecret: at.client_secret });
    elements.create("payment").mount(place.current);
    setForm({ stripe, elements });
  });
  useEffect(() => void open(), []);
  const pay = () => run(async () => {
    const { error } = await form.stripe.confirmPayment({ elements: form.elements, confirmParams: { return_url: location.href }, redirect: "if_required" });
    if (error) throw new Refusal({ detail: error.message });
    await onPaid();
  });
  return html`<div class="pay"><div ref=${place}></div><${Sentence} refusal=${refusal} />
    ${form ? html`<button type="button" class="button main" disabled=${busy} onClick=${pay}>Pay by card</button>` : refusal && html`<button type="button" class="button" disabled=${busy} onClick=${open}>Try again</button>`}</div>`;
}
