/**
 * What a venue's boards show, from its snapshot: pure functions, the same as hub/services/boards.py draws first.
 * Times are milliseconds, days ISO texts. A hold that has run out counts as free.
 */

import { addDays, instantOf, localAt, daysBetween, weekday } from "./zone.js";

const MINUTE = 60_000;
const WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const SOLD = new Set(["available", "occupied"]);

const values = (things) => (Array.isArray(things) ? things : Object.values(things ?? {}));
const instant = (text) => (text ? Date.parse(text) : null);

/** The changes of a snapshot, found by what they are about. */
export function stateOf(snapshot, now) {
  const busy = new Map();
  const nights = new Map();
  const places = new Map();
  for (const change of values(snapshot.availability)) {
    const until = instant(change.held_until);
    if (change.kind === "room") {
      if (change.state === "free" || (change.state === "held" && until <= now)) continue;
      const times = busy.get(change.room_id) ?? [];
      times.push({ from: instant(change.starts_at), to: instant(change.ends_at), state: change.state, until });
      busy.set(change.room_id, times);
    } else {
      const back = change.held > 0 && until !== null && until <= now ? 1 : 0;
      const counts = { total: change.total, free: change.free + back, held: change.held - back, until: change.held - back > 0 && !back ? until : null };
      if (change.kind === "night") nights.set(`${change.room_type_id}:${change.night}`, counts);
      else places.set(change.session_id, counts);
    }
  }
  return { busy, nights, places };
}

/** The rate that counts on a local day, which is the first that fits. */
function rated(type, day) {
  const name = day && WEEK[weekday(day)];
  return day && (type.rates ?? []).find((rate) => (!rate.starts_on || rate.starts_on <= day) && (!rate.ends_on || day <= rate.ends_on) && (!rate.weekdays.length || rate.weekdays.includes(name)));
}

/** What one night or hour costs, usually or on a local day, with the type's own discount; minor units, rounded half up. */
export function rateOf(type, day) {
  const rate = rated(type, day);
  const price = rate ? (rate.price ?? Math.floor((type.price * rate.percent * 2 + 100) / 200)) : type.price;
  return Math.floor((price * (10_000 - Math.round(type.discount_percentage * 100)) + 5_000) / 10_000);
}

/** What nights cost, each by its own rate. */
export function nightsPrice(type, checkIn, checkOut) {
  return Array.from({ length: daysBetween(checkIn, checkOut) }, (_, n) => rateOf(type, addDays(checkIn, n))).reduce((sum, rate) => sum + rate, 0);
}

/** What a time costs by the rates of the local days that it lies on; minor units, rounded half up once. */
export function hoursPrice(type, from, to, zone) {
  const hourly = (amount) => Math.floor((amount * 2 + 60) / 120);
  if (!type.rates?.length) return hourly(rateOf(type) * Math.floor(Math.max(to - from, 0) / MINUTE));
  let { day } = localAt(from, zone);
  let total = 0;
  for (let begin = from; begin < to; day = addDays(day, 1)) {
    const until = Math.min(to, instantOf(day, 1440, zone));
    if (until > begin) total += rateOf(type, day) * Math.floor((until - begin) / MINUTE);
    begin = Math.max(begin, until);
  }
  return hourly(total);
}

export function typesBy(snapshot, unit) {
  return values(snapshot.room_types).filter((type) => type.price_unit === unit && type.is_active).sort((a, b) => a.price - b.price || a.id - b.id);
}

export function roomsOf(snapshot, types) {
  const ids = new Set(types.map((type) => type.id));
  const rooms = values(snapshot.rooms).filter((room) => ids.has(room.room_type_id) && room.is_active && SOLD.has(room.status));
  return rooms.sort((a, b) => a.id - b.id);
}

/** The rooms that are sold by the hour. */
export function hourRooms(snapshot) {
  return roomsOf(snapshot, typesBy(snapshot, "hour"));
}

export function today(venue, now) {
  return localAt(now, venue.timezone).day;
}

const minutesOf = (clock) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));

/** The worst of what stands in a room's way between two instants, or nothing. */
function inTheWay(times, from, to) {
  const met = (times ?? []).filter((time) => time.from < to && time.to > from);
  const firm = met.find((time) => time.state !== "held");
  if (firm) return { state: firm.state, until: null };
  return met.length ? { state: "held", until: Math.max(...met.map((time) => time.until)) } : null;
}

/** Room types by nights: how many rooms are free in each. */
export function nightBoard(snapshot, first, count, now) {
  const { venue } = snapshot;
  const state = stateOf(snapshot, now);
  const days = Array.from({ length: count }, (_, n) => addDays(first, n));
  const types = typesBy(snapshot, "night");
  const lines = types.map((type) => {
    const rooms = type.sold_as === "room" ? roomsOf(snapshot, [type]) : [];
    const cells = days.map((day) => ({ ...nightCell(venue, type, rooms, day, state, now), rate: rateOf(type, day) }));
    return { key: String(type.id), type, rate: rateOf(type), cells };
  });
  return { days, lines, min: venue.min_nights, max: venue.max_nights };
}

function nightCell(venue, type, rooms, day, state, now) {
  const arrival = instantOf(day, minutesOf(venue.check_in_time), venue.timezone);
  const departure = instantOf(addDays(day, 1), minutesOf(venue.check_out_time), venue.timezone);
  const counts = type.sold_as === "pool" ? state.nights.get(`${type.id}:${day}`) ?? { total: type.total_rooms, free: type.total_rooms, held: 0, until: null } : countRooms(rooms, state.busy, arrival, departure);
  const ahead = daysBetween(today(venue, now), day);
  const tooSoon = venue.lead_time_minutes > 0 && arrival < now + venue.lead_time_minutes * MINUTE;
  const open = venue.is_active && ahead >= 0 && ahead < venue.advance_days && !tooSoon && counts.total > 0;
  return { key: day, ...counts, state: open ? stateFrom(counts) : "closed" };
}

function stateFrom(counts) {
  if (counts.free > 0) return "free";
  return counts.held > 0 ? "held" : "taken";
}

function countRooms(rooms, busy, from, to) {
  const met = rooms.map((room) => inTheWay(busy.get(room.id), from, to));
  const held = met.filter((one) => one?.state === "held");
  const until = held.length ? Math.min(...held.map((one) => one.until)) : null;
  return { total: rooms.length, free: met.filter((one) => !one).length, held: held.length, until };
}

/** Opening windows of each weekday in minutes of the day; a window past midnight ends after 1440. */
export function windowsOf(venue) {
  return WEEK.map((name) => {
    if (!venue.opening_hours) return [[0, 1440]];
    return (venue.opening_hours[name] ?? []).map(([opens, closes]) => {
      const from = minutesOf(opens);
      const to = minutesOf(closes);
      return [from, to > from ? to : to + 1440];
    });
  });
}

/** The minutes of the day at which the rows of the hour board begin, and how long each is. */
export function rowsOf(venue) {
  const windows = windowsOf(venue).flat();
  if (!windows.length) return { rows: [], step: 60 };
  const halves = windows.some(([from, to]) => from % 60 || to % 60) && 30 % venue.slot_step_minutes === 0;
  const wanted = halves ? 30 : 60;
  const step = venue.slot_step_minutes * Math.ceil(wanted / venue.slot_step_minutes);
  const from = Math.ceil(Math.min(...windows.map((window) => window[0])) / venue.slot_step_minutes) * venue.slot_step_minutes;
  const to = Math.max(...windows.map((window) => window[1]));
  const rows = [];
  for (let minute = from; minute + step <= to; minute += step) {
    if (windows.some((window) => window[0] <= minute && minute + step <= window[1])) rows.push(minute);
  }
  return { rows, step };
}

/** One room's hours by days. */
export function hourBoard(snapshot, room, first, count, now) {
  const { venue } = snapshot;
  const state = stateOf(snapshot, now);
  const { rows, step } = rowsOf(venue);
  const type = values(snapshot.room_types).find((one) => one.id === room.room_type_id);
  const rate = rateOf(type);
  const week = windowsOf(venue);
  const lines = Array.from({ length: count }, (_, n) => {
    const day = addDays(first, n);
    const open = week[weekday(day)];
    const cells = rows.map((minute) => {
      const from = instantOf(day, minute, venue.timezone);
      const to = instantOf(day, minute + step, venue.timezone);
      const inHours = open.some((window) => window[0] <= minute && minute + step <= window[1]);
      return { key: from, from, to, price: hoursPrice(type, from, to, venue.timezone), ...hourState(venue, state.busy.get(room.id), inHours, from, to, now) };
    });
    return { key: day, cells };
  });
  return { rows, step, lines, room, type, rate, min: Math.max(1, Math.ceil(venue.min_slot_minutes / step)), max: Math.max(1, Math.floor(venue.max_slot_minutes / step)) };
}

function hourState(venue, times, inHours, from, to, now) {
  const soonest = now + venue.lead_time_minutes * MINUTE;
  const latest = now + venue.advance_days * 1440 * MINUTE;
  const met = inTheWay(times, from - venue.buffer_before_minutes * MINUTE, to + venue.buffer_after_minutes * MINUTE);
  if (!venue.is_active || !inHours || to <= from || from < soonest || to > latest) {
    // What was taken stays readable as such; it just cannot be chosen any more.
    return met && met.state === "taken" && inHours && to > from ? { state: "taken", until: null } : { state: "closed", until: null };
  }
  return met ? { state: met.state, until: met.until } : { state: "free", until: null };
}

/** The sessions still to come, each with its places. */
export function sessionRows(snapshot, now) {
  const state = stateOf(snapshot, now);
  return values(snapshot.sessions)
    .filter((session) => session.status === "active" && instant(session.starts_at) > now)
    .sort((a, b) => instant(a.starts_at) - instant(b.starts_at) || a.id - b.id)
    .map((session) => {
      const counts = state.places.get(session.id) ?? { total: session.capacity, free: session.capacity, held: 0, until: null };
      return { session, ...counts, taken: counts.total - counts.free - counts.held, state: stateFrom(counts) };
    });
}

/** The run of free cells from one place to another, as [first, last], or nothing when something stands between. */
export function runOf(cells, one, other) {
  const [first, last] = one <= other ? [one, other] : [other, one];
  const run = cells.slice(first, last + 1);
  return run.length && run.every((cell) => cell.state === "free") ? [first, last] : null;
}

/**
 * What is chosen after somebody points at a place of a line: the run from the anchor if it is free and not too long,
 * else the shortest run the venue sells that begins (or, at the end of a gap, ends) there. Nothing when even that is not free.
 */
export function choose(board, cells, anchor, place) {
  if (anchor !== null && anchor !== place) {
    const run = runOf(cells, anchor, place);
    const length = run ? run[1] - run[0] + 1 : 0;
    if (length >= board.min && length <= board.max) return run;
  }
  for (let first = place; first > place - board.min && first >= 0; first -= 1) {
    const run = first + board.min <= cells.length ? runOf(cells, first, first + board.min - 1) : null;
    if (run) return run;
  }
  return null;
}
