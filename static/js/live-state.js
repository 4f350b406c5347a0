/** What a watcher knows, as a pure function of a snapshot and the events after it. */

/** Name what a change of availability is about; two changes with one key are two states of one thing. */
export function keyOf(change) {
  if (change.kind === "room") return `room:${change.room_id}:${change.starts_at}:${change.ends_at}`;
  if (change.kind === "night") return `night:${change.room_type_id}:${change.night}`;
  return `session:${change.session_id}`;
}

/** Make the state that a snapshot stands for: every list becomes an object by id, availability by what it is about. */
export function begin(snapshot) {
  const state = {};
  for (const [name, part] of Object.entries(snapshot)) {
    const key = name === "availability" ? keyOf : (thing) => thing.id;
    state[name] = Array.isArray(part) ? Object.fromEntries(part.map((thing) => [key(thing), thing])) : part;
  }
  return state;
}

const isSimplyFree = (change) => (change.kind === "room" ? change.state === "free" : change.kind === "night" && !change.taken && !change.held);

const COLLECTIONS = { room_type: "room_types", room: "rooms", session: "sessions", closure: "closures", booking: "bookings" };

function without(things, isGone) {
  return Object.fromEntries(Object.entries(things).filter(([key]) => !isGone(key)));
}

function changed(things, changes) {
  const known = { ...things };
  for (const change of changes) {
    if (isSimplyFree(change)) delete known[keyOf(change)];
    else known[keyOf(change)] = change;
  }
  return known;
}

/** Of a room, a room type or a session that is no more, nothing can be free. */
function forgotten(state, subject, id) {
  const begins = { room: `room:${id}:`, room_type: `night:${id}:`, session: `session:${id}` }[subject];
  if (!begins || !state.availability) return state;
  return { ...state, availability: without(state.availability, (key) => (subject === "session" ? key === begins : key.startsWith(begins))) };
}

/** A guest goes by another name or number, in every booking of theirs. */
function calledAnew(state, { id, full_name, email, phone }) {
  const renamed = ([key, booking]) => [key, booking.guest.id === id ? { ...booking, guest: { id, full_name, email, phone } } : booking];
  return state.bookings ? { ...state, bookings: Object.fromEntries(Object.entries(state.bookings).map(renamed)) } : state;
}

/** Answer the state after an event. The old state stays as it was, and what the event does not touch is the same. */
export function applyEvent(state, { name, data }) {
  const [subject, action] = name.split(".");
  if (name === "availability.changed") return state.availability ? { ...state, availability: changed(state.availability, data.changes) } : state;
  if (subject === "venue") return state.venue ? { ...state, venue: action === "deleted" ? null : data } : state;
  if (subject === "user") return state.user ? calledAnew({ ...state, user: data }, data) : state;
  if (subject === "guest") return calledAnew(state, data);
  const collection = COLLECTIONS[subject];
  if (!collection || !state[collection]) return state;
  if (action === "deleted" || action === "withdrawn") {
    return forgotten({ ...state, [collection]: without(state[collection], (id) => id === String(data.id)) }, subject, data.id);
  }
  return { ...state, [collection]: { ...state[collection], [data.id]: data } };
}
