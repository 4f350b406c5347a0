/** A venue's page: its boards drawn from the live snapshot, and the basket at the foot. */

import { effect, signal } from "@preact/signals";
import { Basket, crowded, mine } from "./basket.js";
import { chosen } from "./choosing.js";
import { followVenue } from "./following.js";
import { hourRooms, today as todayOf, typesBy } from "./grid.js";
import { Hours } from "./hours.js";
import { Nights } from "./nights.js";
import { data, draw, html, now } from "./page.js";
import { Places } from "./places.js";

const first = signal(data.first);
const room = signal(data.room_id);
const snapshot = followVenue(data.venue_id);

function turn(day) {
  first.value = day;
  show();
}

/** The address says what is shown, so that a reload, a bookmark and a friend see the same. */
function show() {
  const query = new URLSearchParams({ check_in: first.value });
  if (room.value) query.set("room", room.value);
  history.replaceState(null, "", `?${query}${location.hash}`);
}

function chooseRoom(id) {
  room.value = id;
  show();
}

const today = () => todayOf(snapshot.value.venue, now.value);
const from = () => (first.value < today() ? today() : first.value);

/** A venue that was closed for good while somebody looked at it. */
const gone = () => html`<p class="refusal" role="alert">This venue is no longer offered. <a href="/">Find another.</a></p>`;

const parts = {
  nights: () => typesBy(snapshot.value, "night").length > 0 && html`<${Nights} snapshot=${snapshot.value} first=${from()} today=${today()} onTurn=${turn} mine=${mine.value} />`,
  hours: () => {
    const rooms = hourRooms(snapshot.value);
    const chosen = rooms.find((one) => one.id === room.value) ?? rooms[0];
    return chosen && html`<${Hours} snapshot=${snapshot.value} rooms=${rooms} room=${chosen} first=${from()} today=${today()} onRoom=${chooseRoom} onTurn=${turn} mine=${mine.value} />`;
  },
  places: () => html`<${Places} snapshot=${snapshot.value} mine=${mine.value} />`,
};

/** What the server drew stays until the live snapshot is there. */
const stop = snapshot.subscribe((known) => {
  if (!known) return;
  queueMicrotask(() => stop());
  for (const [id, part] of Object.entries(parts)) draw(() => (snapshot.value?.venue ? part() : id === "places" && gone()), id);
});

effect(() => {
  crowded.value = chosen.value.length > 0;
});
draw(Basket, "basket");
