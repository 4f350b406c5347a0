/** Add-ons: what a venue sells beside its rooms and places. */

import { Checkbox, Choice, Field } from "./fields.js";
import { Listing } from "./listing.js";
import { data, html } from "./page.js";
import { asked } from "./personal.js";
import { amount, wholeOrNothing } from "./reading.js";
import { money, number, plain } from "./words.js";

export const PER = [["booking", "a booking"], ["guest", "a guest"], ["night", "a night"], ["hour", "an hour"]];

export const addons = asked(`/addons?venue_id=${data.venue_id}&per_page=100`);

export function Addons({ venue }) {
  const words = (one) => ({
    name: one.name,
    state: one.is_active ? null : { shape: "cancelled", word: "not sold" },
    detail: [`${money(one.price, venue.currency)} ${Object.fromEntries(PER)[one.price_per]}`, one.stock !== null && one.stock !== undefined && `${number(one.stock)} there at a time`, one.description].filter(Boolean).join(" · "),
  });
  const read = (form, one) => ({
    ...(one === null && { venue_id: data.venue_id }),
    name: form.elements.name.value.trim(),
    description: form.elements.description.value.trim(),
    price: amount(form, "price", venue.currency),
    price_per: form.elements.price_per.value,
    stock: wholeOrNothing(form, "stock"),
    is_active: form.elements.is_active.checked,
  });
  const fields = (one, refusal) => html`<div class="pairs">
      <${Field} label="Name" name="name" defaultValue=${one?.name ?? ""} maxlength="200" autocomplete="off" refusal=${refusal} required />
      <${Field} label="What it is" name="description" defaultValue=${one?.description ?? ""} maxlength="500" autocomplete="off" refusal=${refusal} />
      <${Field} label=${`Price, ${venue.currency}`} name="price" inputmode="decimal" autocomplete="off" maxlength="16" defaultValue=${one ? plain(one.price, venue.currency) : ""} refusal=${refusal} required />
      <${Choice} label="For" name="price_per" options=${PER} chosen=${one?.price_per ?? "booking"} refusal=${refusal} />
      <${Field} label="How many there are" name="stock" inputmode="numeric" autocomplete="off" maxlength="9" defaultValue=${one?.stock ?? ""} hint="Empty: as many as are wanted." refusal=${refusal} /></div>
    <${Checkbox} label="Sold now" name="is_active" defaultChecked=${one?.is_active ?? true} />`;
  return html`<${Listing} list=${addons} path="/addons" words=${words} fields=${fields} read=${read} made="New add-on" none="Nothing is sold beside rooms and places yet." />`;
}
