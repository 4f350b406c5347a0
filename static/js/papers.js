/** The papers of a booking: receipt, invoice, calendar file and check-in code, for whoever may read the booking. */

import { useEffect, useState } from "preact/hooks";
import { askFile } from "./account.js";
import { Sentence, asRefusal, useAct } from "./fields.js";
import { html } from "./page.js";

/** Hand a file to the browser, under a name. */
export function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const asPicture = (svg) => `data:image/svg+xml,${encodeURIComponent(svg)}`;

/** The code that a desk reads at check-in, drawn once it is asked for. */
function Code({ booking }) {
  const [picture, setPicture] = useState(null);
  const [refusal, setRefusal] = useState(null);
  useEffect(() => {
    askFile(`/bookings/${booking.id}/code.svg`).then(async (file) => setPicture(asPicture(await file.text())), (thrown) => setRefusal(asRefusal(thrown)));
  }, []);
  if (refusal) return html`<${Sentence} refusal=${refusal} />`;
  return picture ? html`<img class="qr" src=${picture} alt=${`Check-in code of ${booking.reference}`} width="200" height="200" />` : html`<p class="quiet" role="status">On its way.</p>`;
}

export function Papers({ booking }) {
  const [isShown, setShown] = useState(false);
  const { busy, refusal, run } = useAct();
  const paper = (name, word, kind) => html`<button type="button" class="button" disabled=${busy} aria-label=${`${word} of ${booking.reference}`} onClick=${() => run(async () => save(await askFile(`/bookings/${booking.id}/${name}.${kind}`), `${booking.reference}-${name}.${kind}`))}>${word}</button>`;
  const isFirm = ["confirmed", "completed"].includes(booking.status);
  const wasPaid = booking.paid > 0 || booking.payment_status === "refunded";
  if (!isFirm && !wasPaid) return null;
  return html`<div class="row papers">
      ${wasPaid && html`${paper("receipt", "Receipt", "pdf")}${paper("invoice", "Invoice", "pdf")}`}
      ${isFirm && paper("calendar", "Calendar", "ics")}
      ${booking.status === "confirmed" && html`<button type="button" class="button" aria-expanded=${isShown} aria-label=${`Check-in code of ${booking.reference}`} onClick=${() => setShown(!isShown)}>Check-in code</button>`}
    </div><${Sentence} refusal=${refusal} />${isShown && html`<${Code} booking=${booking} />`}`;
}
