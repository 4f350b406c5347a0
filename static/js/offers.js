/** Offers: codes that take something off, of a venue or of the whole hub. */

import { Checkbox, Choice, Field } from "./fields.js";
import { Listing } from "./listing.js";
import { data, html, now } from "./page.js";
import { asked } from "./personal.js";
import { amount, asField, moment, percent, wholeOrNothing } from "./reading.js";
import { dateTime, money, number, plain } from "./words.js";

const HOW = [["basis_points", "a percentage"], ["amount", "an amount"]];

export const offers = asked(data.venue_id ? `/offers?venue_id=${data.venue_id}&per_page=100` : "/offers?sort=newest&per_page=100");

function stateOf(one) {
  if (!one.is_active) return { shape: "cancelled", word: "ended" };
  if (one.valid_until && Date.parse(one.valid_until) <= now.value) return { shape: "cancelled", word: "over" };
  return one.valid_from && Date.parse(one.valid_from) > now.value ? { shape: "pending", word: "not yet" } : { shape: "confirmed", word: "on" };
}

/** The offers of a venue; without one, those of the whole hub, each with a currency of its own. */
export function Offers({ venue }) {
  const zone = venue?.timezone ?? "UTC";
  const currencyOf = (form, one) => venue?.currency ?? form?.elements.currency.value ?? one?.currency;
  const words = (one) => ({
    name: one.code,
    state: stateOf(one),
    detail: [
      !venue && one.venue_id && `of venue ${one.venue_id}`,
      one.amount === null ? `${number(one.basis_points / 100)} % off` : `${money(one.amount, one.currency)} off`,
      one.minimum > 0 && one.currency && `from ${money(one.minimum, one.currency)}`,
      one.valid_until && `until ${dateTime(one.valid_until, zone)}`,
      one.total_limit && `${number(one.total_limit)} times in all`,
      one.per_person_limit && `${number(one.per_person_limit)} a person`,
      one.uses > 0 && `used ${one.uses === 1 ? "once" : `${number(one.uses)} times`}`,
      !one.is_public && "not listed",
      one.description,
    ].filter(Boolean).join(" · "),
  });
  const read = (form, one) => {
    const { elements } = form;
    const how = elements.how.value;
    const currency = currencyOf(form, one) || null;
    const minimum = elements.minimum.value.trim() ? amount(form, "minimum", currency ?? "USD") : 0;
    return {
      ...(one === null && data.venue_id && { venue_id: data.venue_id }),
      ...(!data.venue_id && currency && { currency }),
      code: elements.code.value.trim(),
      description: elements.description.value.trim(),
      [how]: how === "amount" ? amount(form, "value", currency ?? "USD") : percent(form, "value"),
      minimum,
      valid_from: moment(form, "valid_from", zone),
      valid_until: moment(form, "valid_until", zone),
      total_limit: wholeOrNothing(form, "total_limit"),
      per_person_limit: wholeOrNothing(form, "per_person_limit"),
      is_public: elements.is_public.checked,
      is_active: elements.is_active.checked,
    };
  };
  const fields = (one, refusal) => {
    const currency = venue?.currency ?? one?.currency;
    const text = (label, name, value, more = {}) => html`<${Field} label=${label} name=${name} defaultValue=${value ?? ""} autocomplete="off" refusal=${refusal} ...${more} />`;
    return html`<div class="pairs">
        ${text("Code", "code", one?.code, { maxlength: 40, spellcheck: false, required: true, hint: "Letters, digits, - and _" })}
        ${text("What it is for", "description", one?.description, { maxlength: 500 })}
        <${Choice} label="Takes off" name="how" options=${HOW} chosen=${one && one.amount !== null ? "amount" : "basis_points"} refusal=${refusal} />
        ${text(currency ? `Percentage, or amount in ${currency}` : "Percentage or amount", "value", one && (one.amount === null ? one.basis_points / 100 : plain(one.amount, currency)), { inputmode: "decimal", maxlength: 16, required: true })}
        ${!venue && html`<${Choice} label="Currency of amounts" name="currency" options=${[["", "any"], ...data.currencies.map((code) => [code, code])]} chosen=${one?.currency ?? ""} refusal=${refusal} />`}
        ${text("From so much on", "minimum", one?.minimum && currency ? plain(one.minimum, currency) : "", { inputmode: "decimal", maxlength: 16 })}
        ${text("From", "valid_from", asField(one?.valid_from, zone), { type: "datetime-local" })}
        ${text("Until", "valid_until", asField(one?.valid_until, zone), { type: "datetime-local" })}
        ${text("Times in all", "total_limit", one?.total_limit, { inputmode: "numeric", maxlength: 9 })}
        ${text("Times a person", "per_person_limit", one?.per_person_limit, { inputmode: "numeric", maxlength: 9 })}</div>
      <${Checkbox} label="Listed for everybody" name="is_public" defaultChecked=${one?.is_public ?? true} /><${Checkbox} label="Can be used" name="is_active" defaultChecked=${one?.is_active ?? true} />`;
  };
  const end = { word: "Delete", question: (name) => `Nobody can use ${name} any more?` };
  return html`<${Listing} list=${offers} path="/offers" words=${words} fields=${fields} read=${read} made="New offer" none="No offer yet." end=${end} />`;
}
