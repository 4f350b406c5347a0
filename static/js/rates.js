/** Rates: what a room type costs in a season, or on some weekdays. */

import { Checkbox, Choice, Field } from "./fields.js";
import { Listing } from "./listing.js";
import { data, html } from "./page.js";
import { Waiting, asked } from "./personal.js";
import { amount, whole } from "./reading.js";
import { dayNumber, money, plain } from "./words.js";

const WEEK = [["mon", "Mon"], ["tue", "Tue"], ["wed", "Wed"], ["thu", "Thu"], ["fri", "Fri"], ["sat", "Sat"], ["sun", "Sun"]];
const HOW = [["price", "at a price"], ["percent", "at a percentage of the usual price"]];

export const rates = asked(`/rates?venue_id=${data.venue_id}&per_page=100`);
export const types = asked(`/room-types?venue_id=${data.venue_id}&per_page=100`);

function when({ starts_on: from, ends_on: to, weekdays }) {
  const season = from && to ? `${dayNumber(from)} – ${dayNumber(to)}` : from ? `from ${dayNumber(from)}` : to ? `until ${dayNumber(to)}` : "all year";
  return weekdays.length ? `${season}, ${WEEK.filter(([day]) => weekdays.includes(day)).map(([, name]) => name).join(", ")}` : season;
}

export function Rates({ venue }) {
  if (!types.data.value) return html`<${Waiting} of=${types} />`;
  const known = types.data.value.items;
  if (!known.length) return html`<p class="quiet">There is no room type yet that could have a rate.</p>`;
  const words = (one) => {
    const type = known.find(({ id }) => id === one.room_type_id);
    const what = one.price === null ? `${one.percent} % of the usual price` : `${money(one.price, venue.currency)} a ${type?.price_unit ?? "night"}`;
    return { name: one.name, detail: `${type?.name ?? ""} · ${what} · ${when(one)}` };
  };
  const read = (form, one) => {
    const { elements } = form;
    const how = elements.how.value;
    const value = how === "price" ? amount(form, "value", venue.currency) : whole(form, "value");
    return {
      ...(one === null && { room_type_id: Number(elements.room_type_id.value) }),
      name: elements.name.value.trim(),
      starts_on: elements.starts_on.value || null,
      ends_on: elements.ends_on.value || null,
      weekdays: WEEK.map(([day]) => day).filter((day) => elements[day].checked),
      [how]: value,
    };
  };
  const fields = (one, refusal) => html`<div class="pairs">
      ${!one && html`<${Choice} label="Room type" name="room_type_id" options=${known.map(({ id, name }) => [id, name])} refusal=${refusal} />`}
      <${Field} label="Name" name="name" defaultValue=${one?.name ?? ""} maxlength="200" autocomplete="off" refusal=${refusal} required />
      <${Field} label="First day" name="starts_on" type="date" defaultValue=${one?.starts_on ?? ""} refusal=${refusal} />
      <${Field} label="Last day" name="ends_on" type="date" defaultValue=${one?.ends_on ?? ""} refusal=${refusal} />
      <${Choice} label="Sold" name="how" options=${HOW} chosen=${one && one.price === null ? "percent" : "price"} refusal=${refusal} />
      <${Field} label=${`Price in ${venue.currency}, or percentage`} name="value" inputmode="decimal" autocomplete="off" maxlength="16" defaultValue=${one ? (one.price === null ? one.percent : plain(one.price, venue.currency)) : ""} refusal=${refusal} required /></div>
    <fieldset><legend>On these weekdays; none is every day</legend><div class="days">${WEEK.map(([day, name]) => html`<${Checkbox} key=${day} label=${name} name=${day} defaultChecked=${one?.weekdays.includes(day) ?? false} />`)}</div></fieldset>`;
  return html`<${Listing} list=${rates} path="/rates" words=${words} fields=${fields} read=${read} made="New rate" none="The usual price counts all year." />`;
}
