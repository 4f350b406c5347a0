/** What a page must know of the venues its bookings are at, asked for once each. */

import { signal } from "@preact/signals";
import { ask } from "./account.js";

const known = signal({});
const asked = new Set();
const answered = signal(new Set());

function answer(id) {
  if (!answered.peek().has(id)) answered.value = new Set([...answered.peek(), id]);
}

/** A venue once it is known, nothing before. */
export function venueOf(id) {
  if (!asked.has(id)) {
    asked.add(id);
    ask("GET", `/venues/${id}`).then((venue) => (known.value = { ...known.peek(), [id]: venue }), () => asked.delete(id)).finally(() => answer(id));
  }
  return known.value[id];
}

/** Whether nothing is waited for any more: each of these venues is known, or cannot be had. */
export const areAnswered = (ids) => ids.map((id) => answered.value.has(id) || venueOf(id)).every(Boolean);

export const zoneOf = (id) => venueOf(id)?.timezone ?? "UTC";
