/** The live rooms of this page as signals: the connection, and the state of each venue, desk and oneself. */

import { effect, signal } from "@preact/signals";
import { accessToken, person } from "./account.js";
import { connect } from "./live.js";

/** "live", "catching up" or "offline". */
export const link = signal("catching up");
/** How many events are being caught up with, or wait behind a pause. */
export const behind = signal(0);
/** When the connection was lost; null while it stands. */
export const lostAt = signal(null);
/** Whether the visitor wants the page to hold still. */
export const paused = signal(false);

const OFFLINE_AFTER = 1_500;
let offline = null;

const hub = connect({ token: accessToken, onState: tell });

/** The hub's time in milliseconds. */
export const serverTime = () => hub.serverNow();

function tell({ name, behind: count }) {
  clearTimeout(offline);
  // A moment without a connection, as at every start and change of network, is nothing to be alarmed by.
  if (name === "offline" && link.value !== "offline") {
    link.value = "catching up";
    lostAt.value ??= Date.now();
    offline = setTimeout(() => (link.value = "offline"), OFFLINE_AFTER);
  } else {
    link.value = name;
    if (name !== "offline") lostAt.value = null;
  }
  if (!paused.value) behind.value = count;
}

const rooms = new Map();
const waiting = new Set();

/** A room's state as a signal, null until its snapshot is there; the same one for whoever asks again. */
function follow(key, watch, onChange) {
  let room = rooms.get(key);
  if (!room) {
    room = { state: signal(null), newest: null, listeners: new Set() };
    rooms.set(key, room);
    watch({
      onSnapshot: (state) => take(room, state, 0),
      onEvents: (state, events) => take(room, state, events.length),
      onRefused: () => take(room, null, 0),
    });
  }
  if (onChange) room.listeners.add(onChange);
  return room.state;
}

function take(room, state, count) {
  room.newest = state;
  // What one does oneself shows at once, whatever else holds still.
  if (paused.value && count && room !== rooms.get("me")) {
    behind.value += count;
    waiting.add(room);
    return;
  }
  room.state.value = state;
  if (count) for (const listener of room.listeners) listener();
}

effect(() => {
  if (paused.value) return;
  behind.value = 0;
  for (const room of waiting) {
    room.state.value = room.newest;
    for (const listener of room.listeners) listener();
  }
  waiting.clear();
});

export const followVenue = (id) => follow(`venue ${id}`, (listeners) => hub.watchVenue(id, listeners));
export const followDesk = (id, onChange) => follow(`desk ${id}`, (listeners) => hub.watchDesk(id, listeners), onChange);

/** Oneself, as long as somebody is logged in; `onChange` hears of every event, of payments and wallets too. */
export function followMe(onChange) {
  return follow("me", (listeners) => {
    let watched = null;
    let whose = null;
    effect(() => {
      const id = person.value?.id ?? null;
      if (id === whose) return;
      whose = id;
      watched?.stop();
      listeners.onRefused();
      hub.renew();
      watched = id === null ? null : hub.watchMe(listeners);
    });
  }, onChange);
}

/** Hear that something changed at venues whose versions are known, without their snapshots. */
export function followChanges(versions, epoch, onChange) {
  const known = new Map(Object.entries(versions).map(([id, version]) => [`venue:${id}`, { venue_id: Number(id), since: version, epoch }]));
  let missed = false;
  const changed = () => {
    missed = paused.value;
    if (missed) behind.value += 1;
    else onChange();
  };
  const enter = async (room) => {
    const news = await hub.ask("venues.watch", known.get(room)).catch(() => null);
    if (!news) return;
    known.set(room, { ...known.get(room), since: news.version, epoch: news.epoch });
    if (news.reload || news.events?.length) changed();
    if (news.more) enter(room);
  };
  const enterAll = () => [...known.keys()].forEach(enter);
  hub.socket.on("connect", enterAll);
  hub.socket.onAny((_, envelope) => {
    const room = known.get(envelope?.room);
    if (!room || envelope.version <= room.since) return;
    room.since = envelope.version;
    changed();
  });
  effect(() => !paused.value && missed && changed());
  if (hub.isConnected) enterAll();
}
