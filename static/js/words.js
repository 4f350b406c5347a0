/** Dates, times and money in the visitor's language, times in the venue's zone. */

import { daysBetween } from "./zone.js";

const languages = globalThis.navigator?.languages?.length ? [...navigator.languages] : ["en"];
const cache = new Map();

function format(kind, options) {
  const key = `${kind.name} ${JSON.stringify(options)}`;
  if (!cache.has(key)) cache.set(key, new kind(languages, options));
  return cache.get(key);
}

/** How many digits a currency's minor unit has, where it is not two; the page brings the hub's own table. */
let digits = {};
export function useDigits(table) {
  digits = table ?? {};
}

export function money(minor, currency) {
  const places = digits[currency] ?? 2;
  const options = { style: "currency", currency, minimumFractionDigits: places, maximumFractionDigits: places, trailingZeroDisplay: "stripIfInteger" };
  return format(Intl.NumberFormat, options).format(minor / 10 ** places);
}

/** What was typed as a number with so many digits behind the point, as a whole number without it; NaN if it is none. */
export function scaled(typed, places) {
  const [, whole, part = ""] = typed.trim().replace(",", ".").match(/^(\d{1,12})(?:\.(\d*))?$/) ?? [];
  return whole === undefined || part.length > places ? NaN : Number(whole + part.padEnd(places, "0"));
}

/** What was typed as money, in minor units; NaN if it is no amount of this currency. */
export const minorOf = (typed, currency) => scaled(typed, digits[currency] ?? 2);

/** An amount as a field shows it: 12.50, or 12. */
export function plain(minor, currency) {
  const places = digits[currency] ?? 2;
  return minor % 10 ** places ? (minor / 10 ** places).toFixed(places) : String(minor / 10 ** places);
}

/** Several currencies never add up: each stands for itself. */
export function sums(amounts) {
  return Object.entries(amounts).map(([currency, minor]) => money(minor, currency)).join(" + ");
}

export function number(value) {
  return format(Intl.NumberFormat, {}).format(value);
}

const asDay = (day) => new Date(`${day}T12:00:00Z`);

export const dayName = (day) => format(Intl.DateTimeFormat, { weekday: "short", timeZone: "UTC" }).format(asDay(day));
export const dayNumber = (day) => format(Intl.DateTimeFormat, { day: "numeric", month: "short", timeZone: "UTC" }).format(asDay(day));
export const longDay = (day) => format(Intl.DateTimeFormat, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }).format(asDay(day));
export const month = (day) => format(Intl.DateTimeFormat, { month: "long", year: "numeric", timeZone: "UTC" }).format(asDay(day));

export const time = (at, zone) => format(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", timeZone: zone }).format(new Date(at));
export const dateOf = (at, zone) => format(Intl.DateTimeFormat, { weekday: "short", day: "numeric", month: "short", timeZone: zone }).format(new Date(at));
export const dateTime = (at, zone) => `${dateOf(at, zone)}, ${time(at, zone)}`;

/** "Mon 12 Mar, 11:00–13:00", naming the second day only when it is another. */
export function timeRange(from, to, zone) {
  const options = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: zone };
  return format(Intl.DateTimeFormat, options).formatRange(new Date(from), new Date(to));
}

export function dayRange(first, last) {
  return format(Intl.DateTimeFormat, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }).formatRange(asDay(first), asDay(last));
}

const here = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The same time on the visitor's own clock, or nothing when it reads the same. */
export function visitorsTime(at, zone) {
  const own = here();
  if (time(at, zone) === time(at, own) && dateOf(at, zone) === dateOf(at, own)) return "";
  const day = dateOf(at, zone) === dateOf(at, own) ? "" : `${dateOf(at, own)} `;
  return `${day}${time(at, own)} your time`;
}

export function clock(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const minutes = String(Math.floor(seconds / 60)).padStart(2, "0");
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

export const many = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;

/** "10 min", "30 sec". */
export function duration(seconds) {
  const [value, unit] = seconds < 60 ? [seconds, "second"] : seconds < 5_400 ? [Math.round(seconds / 60), "minute"] : [Math.round(seconds / 3_600), "hour"];
  return format(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short" }).format(value);
}

export const nightsOf = (count) => many(count, "night");

/** From the day of arrival to that of departure, and how many nights lie between. */
export const stayWords = (item) => `${dayRange(item.check_in, item.check_out)}, ${nightsOf(daysBetween(item.check_in, item.check_out))}`;

/** "2 minutes ago", "in 3 days". */
export function ago(at, now) {
  const seconds = Math.round((new Date(at) - now) / 1000);
  const relative = format(Intl.RelativeTimeFormat, { numeric: "auto", style: "short" });
  const steps = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  for (const [unit, size] of steps) if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  return relative.format(0, "second");
}
