/** What can be done with a booking, where it stands: by its guest, or by the desk of its venue. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Cancelling } from "./cancelling.js";
import { Cash } from "./cash.js";
import { Refused } from "./cells.js";
import { Moving } from "./moving.js";
import { html, now } from "./page.js";
import { money } from "./words.js";

export const STATES = {
  held: "held",
  pending: "waits for payment",
  confirmed: "confirmed",
  completed: "came",
  cancelled: "cancelled",
  expired: "ran out",
  no_show: "no-show",
};

/** The state a booking is in now: a hold that has run out is no hold. */
export function stateOf(booking) {
  const isOver = ["held", "pending"].includes(booking.status) && booking.expires_at && Date.parse(booking.expires_at) <= now.value;
  return isOver ? "expired" : booking.status;
}

/** How much of a booking is paid. */
export function paidWords({ price, paid, currency, status, payment_status: standing }) {
  if (standing === "refunded") return "paid back";
  if (paid > price || (paid && ["cancelled", "expired"].includes(status))) return `${money(paid, currency)} paid`;
  return paid > 0 ? (paid === price ? "paid" : `${money(paid, currency)} of it paid`) : price > 0 ? "not paid yet" : "";
}

/** Bookings that this page has acted on: their changes are no news to whoever made them. */
export const acted = new Set();

/** The dialog that is open: { what: "cancel", "move" or "cash", booking, zone, isDesk }. */
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
  const dialog = (what) => () => (open.value = { what, booking, zone, isDesk });
  const cash = isDesk && booking.paid < booking.price && button("Cash", dialog("cash"));
  const shown = {
    held: () => [button("Confirm", () => act("POST", `/holds/${booking.id}/confirm`, "confirmed"), true), button("Release", () => act("DELETE", `/holds/${booking.id}`, "released"))],
    pending: () => [isDesk && button("Confirm", () => act("POST", `/holds/${booking.id}/confirm`, "confirmed"), true), cash, button("Cancel", dialog("cancel"))],
    confirmed: () => [
      isDesk && hasBegun && button("Came", () => act("POST", `/bookings/${booking.id}/complete`, "completed"), true),
      isDesk && hasBegun && button("No-show", () => act("POST", `/bookings/${booking.id}/no-show`, "marked no-show")),
      cash,
      button("Move", dialog("move")),
      button("Cancel", dialog("cancel")),
    ],
  }[state];
  if (!shown) return null;
  return html`<div class="row acts">${shown()}</div><${Refused} refusal=${refusal} onPick=${() => {}} label=${(one) => one.label} />`;
}

const LABELS = { move: "Move the booking", cancel: "Cancel the booking", cash: "Record cash" };

/** The dialogs of whatever list is on the page; one of them is open at most. */
export function Dialogs() {
  const dialog = useRef(null);
  const asked = open.value;
  useEffect(() => {
    if (asked && !dialog.current.open) dialog.current.showModal();
    if (!asked && dialog.current?.open) dialog.current.close();
  }, [asked]);
  const close = () => (open.value = null);
  return html`<dialog ref=${dialog} aria-label=${LABELS[asked?.what]} onClose=${close}>
    ${asked?.what === "cancel" && html`<${Cancelling} key=${asked.booking.id} booking=${asked.booking} isDesk=${asked.isDesk} before=${() => acted.add(asked.booking.id)} onDone=${close} />`}
    ${asked?.what === "cash" && html`<${Cash} key=${asked.booking.id} booking=${asked.booking} before=${() => acted.add(asked.booking.id)} onDone=${close} />`}
    ${asked?.what === "move" && html`<${Moving} key=${asked.booking.id} booking=${asked.booking} zone=${asked.zone} onDone=${close} />`}
  </dialog>`;
}
