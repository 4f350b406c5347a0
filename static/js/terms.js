/** A venue's terms: taxes, payment plans, cancellation, refunds, discounts and points, as its owner sets them. */

import { useState } from "preact/hooks";
import { ask } from "./account.js";
import { Checkbox, Choice, Field, Form } from "./fields.js";
import { data, html } from "./page.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { amount, amountOrNothing, percent, whole } from "./reading.js";
import { keep, kept } from "./typed.js";
import { money, plain } from "./words.js";

const path = `/venues/${data.venue_id}`;
const venue = asked(path);
const PLANS = [
  ["full", "All at once"],
  ["deposit", "A deposit, the rest before the start"],
  ["milestone", "Half, a quarter a week before, a quarter on arrival"],
];
const MISSED = [["tell", "Both sides are told"], ["cancel", "The booking is cancelled"]];
const TARGETS = [["original", "to where it came from"], ["wallet", "to the guest's wallet"]];
const CONFIRMATIONS = [["instant", "at once, paid then or later"], ["payment", "once the first payment has come in"]];

/** The two steps that a venue has as long as nobody has named others. */
function stepsOf({ terms, cancellation }) {
  if (terms.cancellation_steps.length) return terms.cancellation_steps;
  const { free_until_hours: hours, refund_percent_after: after } = cancellation;
  return hours ? [{ hours_before: hours, refund_percent: 100 }, { hours_before: 0, refund_percent: after }] : [{ hours_before: 0, refund_percent: 100 }];
}

const indexes = (form, name) => [...form.elements].map((field) => field.name.match(new RegExp(`^${name}\\.(\\d+)\\.`))?.[1]).filter((n, place, all) => n && all.indexOf(n) === place);

/** All terms as the form has them; rows left empty are left out. */
function read(form, currency) {
  const { elements } = form;
  const taxes = indexes(form, "taxes").filter((n) => elements[`taxes.${n}.basis_points`].value.trim());
  const steps = indexes(form, "cancellation_steps").filter((n) => elements[`cancellation_steps.${n}.hours_before`].value.trim());
  return {
    taxes: taxes.map((n) => ({ name: elements[`taxes.${n}.name`].value.trim() || "Tax", basis_points: percent(form, `taxes.${n}.basis_points`), inclusive: elements[`taxes.${n}.inclusive`].checked })),
    plans: PLANS.map(([plan]) => plan).filter((plan) => elements[`plan.${plan}`].checked),
    deposit_percent: whole(form, "deposit_percent"),
    balance_days: whole(form, "balance_days"),
    full_discount_percent: whole(form, "full_discount_percent"),
    full_bonus: elements.full_bonus.value.split("\n").map((line) => line.trim()).filter(Boolean),
    missed: elements.missed.value,
    grace_hours: whole(form, "grace_hours"),
    remind_days: whole(form, "remind_days"),
    cancellation_steps: steps.map((n) => ({ hours_before: whole(form, `cancellation_steps.${n}.hours_before`), refund_percent: whole(form, `cancellation_steps.${n}.refund_percent`) })),
    non_refundable: elements.non_refundable.checked,
    refund_to: elements.refund_to.value,
    refund_approval_above: amountOrNothing(form, "refund_approval_above", currency),
    student_percent: whole(form, "student_percent"),
    student_bookings_a_year: whole(form, "student_bookings_a_year"),
    points_basis_points: percent(form, "points_basis_points"),
    point_value: amount(form, "point_value", currency),
    release_hours: whole(form, "release_hours"),
  };
}

/** Rows of which there can be more; how many there are survives a reload, as what is typed into them does. */
function Rows({ name, count, most, word, children }) {
  const key = `terms.${data.venue_id}.${name}`;
  const [rows, setRows] = useState(Math.max(kept(key) ?? 0, count, 1));
  const more = () => {
    keep(key, rows + 1);
    setRows(rows + 1);
  };
  return html`${Array.from({ length: rows }, (_, n) => html`<div class="trio" key=${n}>${children(n)}</div>`)}
    ${rows < most && html`<div class="row"><button type="button" class="button" onClick=${more}>${word}</button></div>`}`;
}

function Group({ title, children }) {
  return html`<fieldset class="group"><legend>${title}</legend>${children}</fieldset>`;
}

const Number_ = ({ label, unit, ...field }) => html`<${Field} label=${unit ? `${label}, ${unit}` : label} inputmode="decimal" autocomplete="off" maxlength="12" ...${field} />`;

function Editor({ of }) {
  const { terms, currency } = of;
  const steps = stepsOf(of);
  const send = async (form) => {
    const confirmation = form.elements.confirmation.value;
    const saved = await ask("PATCH", path, { confirmation, terms: read(form, currency) });
    for (const name of ["taxes", "cancellation_steps"]) keep(`terms.${data.venue_id}.${name}`, null);
    venue.data.value = saved;
  };
  return html`<${Form} name=${`terms.${data.venue_id}`} submit="Save the terms" label="Terms" done="Saved. What is held or booked already keeps the terms it was made under." send=${send}>${(refusal) => {
    const number = (name, label, unit, more = {}) => html`<${Number_} name=${name} label=${label} unit=${unit} defaultValue=${terms[name]} refusal=${refusal} ...${more} />`;
    return html`
    <${Group} title="Payment">
      <${Choice} label="A booking is confirmed" name="confirmation" options=${CONFIRMATIONS} chosen=${of.confirmation} refusal=${refusal} />
      <div>${PLANS.map(([plan, words]) => html`<${Checkbox} key=${plan} label=${words} name=${`plan.${plan}`} defaultChecked=${terms.plans.includes(plan)} />`)}</div>
      <div class="pairs">
        ${number("deposit_percent", "Deposit", "%", { hint: "50 to 70" })}
        ${number("balance_days", "The rest is due", "days before the start")}
        ${number("full_discount_percent", "Off for all at once", "%")}
        <${Choice} label="An instalment is missed" name="missed" options=${MISSED} chosen=${terms.missed} refusal=${refusal} />
        ${number("grace_hours", "Missed after", "hours")}
        ${number("remind_days", "Reminded", "days before")}
      </div>
      <${Field} label="Free with full payment, one a line" name="full_bonus" kind="textarea" defaultValue=${terms.full_bonus.join("\n")} refusal=${refusal} />
    <//>
    <${Group} title="Cancellation">
      <p class="small quiet">Whoever cancels at least so long before the start gets so much back; after the last step nothing.</p>
      <${Rows} name="cancellation_steps" count=${steps.length} most=${10} word="Another step">${(n) => html`
        <${Number_} label="Hours before the start" name=${`cancellation_steps.${n}.hours_before`} defaultValue=${steps[n]?.hours_before ?? ""} refusal=${refusal} />
        <${Number_} label="Paid back, %" name=${`cancellation_steps.${n}.refund_percent`} defaultValue=${steps[n]?.refund_percent ?? ""} refusal=${refusal} />`}<//>
      <${Checkbox} label="Non-refundable: nothing is ever paid back" name="non_refundable" defaultChecked=${terms.non_refundable} />
      <div class="pairs">
        <${Choice} label="Refunds go" name="refund_to" options=${TARGETS} chosen=${terms.refund_to} refusal=${refusal} />
        <${Number_} label=${`Refunds wait for approval above, ${currency}`} name="refund_approval_above" defaultValue=${terms.refund_approval_above === null ? "" : plain(terms.refund_approval_above, currency)} hint="Empty: none waits." refusal=${refusal} />
      </div>
    <//>
    <${Group} title="Taxes">
      <${Rows} name="taxes" count=${terms.taxes.length} most=${5} word="Another tax">${(n) => html`
        <${Field} label="Tax" name=${`taxes.${n}.name`} defaultValue=${terms.taxes[n]?.name ?? ""} maxlength="200" refusal=${refusal} />
        <${Number_} label="Of the price, %" name=${`taxes.${n}.basis_points`} defaultValue=${terms.taxes[n] ? terms.taxes[n].basis_points / 100 : ""} refusal=${refusal} />
        <${Checkbox} label="already in the prices" name=${`taxes.${n}.inclusive`} defaultChecked=${terms.taxes[n]?.inclusive ?? false} />`}<//>
    <//>
    <${Group} title="Students, points and payout"><div class="pairs">
      ${number("student_percent", "Off for students", "%")}
      ${number("student_bookings_a_year", "Student bookings", "a year")}
      <${Number_} label="Points earned, % of the smallest coins paid" name="points_basis_points" defaultValue=${terms.points_basis_points / 100} hint=${`1 % earns 100 points for ${money(10_000, currency)}.`} refusal=${refusal} />
      <${Number_} label=${`A point is worth, ${currency}`} name="point_value" defaultValue=${plain(terms.point_value, currency)} hint="0: points are not taken here." refusal=${refusal} />
      ${number("release_hours", "Paid out to you", "hours after the end")}
    </div><//>`;
  }}<//>`;
}

function Terms() {
  if (!useTogether(venue)) return html`<${OnItsWay} />`;
  return html`<${Section} title="Terms" id="terms"><${Waiting} of=${venue} />${venue.data.value && html`<${Editor} of=${venue.data.value} />`}<//>`;
}

drawFor(Terms);
