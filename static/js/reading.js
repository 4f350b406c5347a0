/** What is typed into a form as numbers, percents, amounts and times; what is none is refused at its field. */

import { Refusal } from "./account.js";
import { minorOf, scaled } from "./words.js";
import { instantOf, localAt } from "./zone.js";

function wrong(field, message) {
  throw new Refusal({ status: 422, errors: [{ field, message }] });
}

const typed = (form, name) => form.elements[name].value.trim();
const kind = (read, message) => (form, name, ...more) => {
  const value = read(typed(form, name), ...more);
  return Number.isNaN(value) ? wrong(name, message) : value;
};
/** The same for a field that may be left empty, which is null. */
const orNothing = (read) => (form, name, ...more) => (typed(form, name) ? read(form, name, ...more) : null);

export const whole = kind((text) => scaled(text, 0), "must be a whole number");
export const percent = kind((text) => scaled(text, 2), "must be a percentage such as 7.5");
export const amount = kind(minorOf, "must be an amount such as 12.50");
export const wholeOrNothing = orNothing(whole);
export const amountOrNothing = orNothing(amount);

/** A day and time on a venue's clock as an instant; nothing where the field is empty. */
export function moment(form, name, zone) {
  const [day, clock] = typed(form, name).split("T");
  return day ? new Date(instantOf(day, Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5)), zone)).toISOString() : null;
}

const pad = (count) => String(count).padStart(2, "0");

/** An instant as a field shows it on a venue's clock. */
export function asField(at, zone) {
  if (!at) return "";
  const { day, minute } = localAt(Date.parse(at), zone);
  return `${day}T${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`;
}
