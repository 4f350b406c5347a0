/** What can be done with a booking, where it stands: by its guest, or by the desk of its venue. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Refused } from "./cells.js";
import { Moving } from "./moving.js";
import { html, now } from "./page.js";
import { forgetTyped, keepTyped, valuesOf } from "./typed.js";

export const STATES = {
  held: "held",
  pending: "waits for payment",
  confirmed: "confirmed",
  completed: "came",
  cancelled: "cancelled",
  expired: "ran out",
  no_show: "no-show",
};

const REASONS = { change_of_plans: "Change of plans", found_better: "Found something better", illness: "Illness", weather: "Weather", venue: "The venue's reason", duplicate: "Booked twice", other: "Another reason" };

/** The state a booking is in now: a hold that has run out is no hold. */
export function stateOf(booking) {
  const isOver = ["held", "pending"].includes(booking.status) && booking.expires_at && Date.parse(booking.expires_at) <= now.value;
  return isOver ? "expired" : booking.status;
}

/** Bookings that this page has acted on: their changes are no news to whoever made them. */
export const acted = new Set();

/** The dialog that is open: { what: "cancel" or "move", booking, zone }. */
export const open = signal(null);

export function Actions({ booking, zone, isDesk }) {
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const state = stateOf(booking);
  const hasBegun = booking.items.some((item) => Date.parse(item.starts_at) <= now.value);
  const act = async (method, path, said) => {
    setBusy(true);
    setRefusal(null);
    acted.add(booking.id);
    try {
      await ask(method, path, method === "POST" ? {} : undefined);
      say(`${booking.reference} ${said}`);
    } catch (refused) {
      setRefusal(refused);
    }
    setBusy(false);
  };
  const button = (word, onClick, main) => html`<button type="button" class=${`button ${main ? "main" : "bare"}`} disabled=${busy} aria-label=${`${word} ${booking.reference}`} onClick=${onClick}>${word}</button>`;
  const dialog = (what) => () => (open.value = { what, booking, zone });
  const shown = {
    held: () => [button("Confirm", () => act("POST", `/holds/${booking.id}/confirm`, "confirmed"), true), button("Release", () => act("DELETE", `/holds/${booking.id}`, "released"))],
    pending: () => [isDesk && button("Confirm", () => act("POST", `/holds/${booking.id}/confirm`, "confirmed"), true), button("Cancel", dialog("cancel"))],
    confirmed: () => [
      isDesk && hasBegun && button("Came", () => act("POST", `/bookings/${booking.id}/complete`, "completed"), true),
      isDesk && hasBegun && button("No-show", () => act("POST", `/bookings/${booking.id}/no-show`, "marked no-show")),
      button("Move", dialog("move")),
      button("Cancel", dialog("cancel")),
    ],
  }[state];
  if (!shown) return null;
  return html`<div class="row acts">${shown()}</div><${Refused} refusal=${refusal} onPick=${() => {}} label=${(one) => one.label} />`;
}

/** The dialogs of whatever list is on the page; one of them is open at most. */
export function Dialogs() {
  const dialog = useRef(null);
  const asked = open.value;
  useEffect(() => {
    if (asked && !dialog.current.open) dialog.current.showModal();
    if (!asked && dialog.current?.open) dialog.current.close();
  }, [asked]);
  const close = () => (open.value = null);
  return html`<dialog ref=${dialog} aria-label=${asked?.what === "move" ? "Move the booking" : "Cancel the booking"} onClose=${close}>
    ${asked?.what === "cancel" && html`<${Cancelling} key=${asked.booking.id} booking=${asked.booking} onDone=${close} />`}
    ${asked?.what === "move" && html`<${Moving} key=${asked.booking.id} booking=${asked.booking} zone=${asked.zone} onDone=${close} />`}
  </dialog>`;
}

function Cancelling({ booking, onDone }) {
  const form = useRef(null);
  const name = `cancel.${booking.id}`;
  const [refusal, setRefusal] = useState(null);
  useEffect(() => void keepTyped(form.current, name), []);
  const submit = async (event) => {
    event.preventDefault();
    setRefusal(null);
    try {
      acted.add(booking.id);
      await ask("POST", `/bookings/${booking.id}/cancel`, valuesOf(form.current));
      forgetTyped(name);
      say(`${booking.reference} cancelled`);
      onDone();
    } catch (refused) {
      setRefusal(refused);
    }
  };
  return html`<form ref=${form} onSubmit=${submit}>
    <h2>Cancel ${booking.reference}</h2>
    <label class="field"><span>Why</span><select name="reason_code">${Object.entries(REASONS).map(([code, words]) => html`<option value=${code}>${words}</option>`)}</select></label>
    <label class="field"><span>A word to the other side</span><textarea name="reason" maxlength="1000"></textarea></label>
    <${Refused} refusal=${refusal} onPick=${() => {}} label=${(one) => one.label} />
    <div class="row between"><button class="button main">Cancel the booking</button><button type="button" class="button" onClick=${onDone}>Keep it</button></div>
  </form>`;
}
