/** Local days and times of a venue's zone: pure functions on ISO days, minutes of the day and milliseconds. */

const MINUTE = 60_000;
const DAY = 86_400_000;
const formats = new Map();

function formatOf(zone) {
  let format = formats.get(zone);
  if (!format) {
    const fields = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", calendar: "iso8601", numberingSystem: "latn", ...fields });
    formats.set(zone, format);
  }
  return format;
}

/** What a clock on the wall shows at an instant, as milliseconds since 1970 had that clock run on UTC. */
function wall(instant, zone) {
  const at = Object.fromEntries(formatOf(zone).formatToParts(instant).map((part) => [part.type, Number(part.value)]));
  return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second);
}

/** The local day (ISO) and minute of the day at an instant. */
export function localAt(instant, zone) {
  const shown = wall(instant, zone);
  return { day: isoDay(shown), minute: Math.floor((((shown % DAY) + DAY) % DAY) / MINUTE) };
}

/**
 * The instant of a minute of a local day; a minute of 1440 or more lies on the next day. A time that the clock shows
 * twice means its first; one that it skips means the moment at which it jumps.
 */
export function instantOf(day, minute, zone) {
  // Boards ask for the same few hundred again every second.
  const key = `${zone} ${day} ${minute}`;
  if (!instants.has(key)) {
    if (instants.size > 5_000) instants.clear();
    instants.set(key, findInstant(day, minute, zone));
  }
  return instants.get(key);
}

const instants = new Map();

function findInstant(day, minute, zone) {
  const wanted = Date.parse(`${day}T00:00:00Z`) + minute * MINUTE;
  const before = wall(wanted - DAY, zone) - (wanted - DAY);
  const after = wall(wanted + DAY, zone) - (wanted + DAY);
  const early = wanted - before;
  if (before === after || wall(early, zone) === wanted) return early;
  const late = wanted - after;
  if (wall(late, zone) === wanted) return late;
  let [low, high] = [Math.min(early, late), Math.max(early, late)];
  while (high - low > 1_000) {
    const middle = low + Math.floor((high - low) / 2_000) * 1_000;
    if (wall(middle, zone) < wanted) low = middle;
    else high = middle;
  }
  return high;
}

export function isoDay(instant) {
  return new Date(instant).toISOString().slice(0, 10);
}

export function addDays(day, count) {
  return isoDay(Date.parse(`${day}T00:00:00Z`) + count * DAY);
}

export function daysBetween(first, second) {
  return Math.round((Date.parse(`${second}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY);
}

/** 0 for Monday to 6 for Sunday. */
export function weekday(day) {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
}

export function isDay(text) {
  return /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}
