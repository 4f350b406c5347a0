/** What a page must know of the venues its bookings are at, asked for once each. */

import { signal } from "@preact/signals";
import { ask } from "./account.js";

const known = signal({});
const asked = new Set();

/** A venue once it is known, nothing before. */
export function venueOf(id) {
  if (!asked.has(id)) {
    asked.add(id);
    ask("GET", `/venues/${id}`).then((venue) => (known.value = { ...known.peek(), [id]: venue }), () => asked.delete(id));
  }
  return known.value[id];
}

export const zoneOf = (id) => venueOf(id)?.timezone ?? "UTC";
