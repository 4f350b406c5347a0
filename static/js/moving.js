/** Moving a booking: the whole basket to new times; it has all of them or keeps the old ones. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { askOf } from "./basket.js";
import { Refused } from "./cells.js";
import { html } from "./page.js";
import { asField, moment } from "./reading.js";
import { forgetTyped, keepTyped } from "./typed.js";
import { dateTime, money, timeRange } from "./words.js";

/** The item as the form asks for it. */
function asAsk(item, form, zone) {
  const value = (name) => form.elements[`${item.id}.${name}`].value;
  const moved = {
    stay: () => ({ check_in: value("check_in"), check_out: value("check_out") }),
    slot: () => ({ starts_at: moment(form, `${item.id}.starts_at`, zone), ends_at: moment(form, `${item.id}.ends_at`, zone) }),
    place: () => ({ session_id: Number(value("session_id")), quantity: Number(value("quantity")) }),
    addon: () => ({}),
  }[item.kind]();
  return { ...askOf(item), ...moved };
}

export function Moving({ booking, zone, onDone }) {
  const form = useRef(null);
  const name = `move.${booking.id}`;
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => void keepTyped(form.current, name), []);

  const move = async (items) => {
    setBusy(true);
    setRefusal(null);
    try {
      await ask("POST", `/bookings/${booking.id}/reschedule`, { items, reason: form.current.elements.reason.value });
      forgetTyped(name);
      say(`${booking.reference} moved`);
      onDone();
    } catch (refused) {
      setRefusal(refused);
    }
    setBusy(false);
  };
  // What is kept of something cancelled moves nowhere.
  const items = booking.items.filter((item) => item.kind !== "fee");
  const asked = () => items.map((item) => asAsk(item, form.current, zone));
  const submit = (event) => {
    event.preventDefault();
    move(asked());
  };
  const pick = (one) => move(asked().map((item, n) => (n === (one.for_item ?? 0) ? one.item : item)));
  const label = ({ label, item, price, currency }) => {
    const when = item.kind === "stay" ? `${item.check_in} – ${item.check_out}` : item.kind === "slot" ? timeRange(item.starts_at, item.ends_at, zone) : "";
    return `${label} ${when} ${money(price, currency)}`;
  };

  return html`<form ref=${form} onSubmit=${submit}>
    <h2>Move ${booking.reference}</h2>
    ${items.filter((item) => item.kind !== "addon").map((item) => html`<${Item} key=${item.id} item=${item} zone=${zone} />`)}
    <label class="field"><span>Why</span><input name="reason" maxlength="500" /></label>
    <${Refused} refusal=${refusal} onPick=${pick} label=${label} />
    <p class="quiet small">Times of ${zone}. The price is computed anew: more is due, or what is too much goes back.</p>
    <div class="row between"><button class="button main" disabled=${busy}>Move it</button><button type="button" class="button" onClick=${onDone}>Leave it</button></div>
  </form>`;
}

function Item({ item, zone }) {
  const input = (name, label, type, value, more) => html`<label class="field"><span>${label}</span><input name=${`${item.id}.${name}`} type=${type} defaultValue=${value} required ...${more} /></label>`;
  return html`<fieldset><legend>${item.title}</legend>
    ${item.kind === "stay" && html`${input("check_in", "First night", "date", item.check_in)}${input("check_out", "Departure", "date", item.check_out)}`}
    ${item.kind === "slot" && html`${input("starts_at", "From", "datetime-local", asField(item.starts_at, zone))}${input("ends_at", "To", "datetime-local", asField(item.ends_at, zone))}`}
    ${item.kind === "place" && html`<${Sessions} item=${item} zone=${zone} />${input("quantity", "Places", "number", item.quantity, { min: 1, max: 1000 })}`}
  </fieldset>`;
}

function Sessions({ item, zone }) {
  const [sessions, setSessions] = useState([]);
  useEffect(() => {
    const query = new URLSearchParams({ venue_id: item.venue_id, status: "active", from: new Date().toISOString(), per_page: 100 });
    ask("GET", `/sessions?${query}`).then((page) => setSessions(page.items), () => {});
  }, []);
  const others = sessions.filter((session) => session.id !== item.session_id);
  return html`<label class="field"><span>Session</span><select name=${`${item.id}.session_id`}>
    <option value=${item.session_id} selected>${item.title}, ${dateTime(item.starts_at, zone)}</option>
    ${others.map((session) => html`<option value=${session.id}>${session.title}, ${dateTime(session.starts_at, zone)}</option>`)}
  </select></label>`;
}
