/** Cancelling a booking, all of it or some: what is given back is shown before, and is what is given back then. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./account.js";
import { say } from "./announce.js";
import { Refused } from "./cells.js";
import { Checkbox, asRefusal } from "./fields.js";
import { html, now } from "./page.js";
import { forgetTyped, keepTyped } from "./typed.js";
import { dateTime, many, money } from "./words.js";

const REASONS = { change_of_plans: "Change of plans", found_better: "Found something better", illness: "Illness", weather: "Weather", venue: "The venue's reason", duplicate: "Booked twice", other: "Another reason" };
const TARGETS = { original: "to where it came from", wallet: "into the wallet", cash: "in cash at the desk" };
const SOON = 200;

/** Of what an item has several, and how many: places, rooms, pieces, or guests in the one room. */
function several(item) {
  if (item.quantity > 1) return [item.quantity, { place: "place", addon: "piece" }[item.kind] ?? "room"];
  return ["stay", "slot"].includes(item.kind) ? [item.guests, "guest"] : [1, ""];
}

/** What the form says is to be cancelled, as it is asked for: everything is nothing said. */
function partOf(form, items) {
  const ids = items.filter(({ id }) => form.elements[`item.${id}`]?.checked ?? true).map(({ id }) => id);
  const guests = ids.length === 1 ? Number(form.elements.guests?.value ?? 0) : 0;
  return { ...((ids.length < items.length || guests > 0) && { item_ids: ids }), ...(guests > 0 && { guests }) };
}

function Preview({ of, isDesk }) {
  const { currency } = of;
  if (!of.items.some((item) => item.paid) && !of.surplus) return html`<p class="quiet" role="status">Nothing was paid for it, so nothing is given back.</p>`;
  const later = of.less_after && Date.parse(of.less_after) > now.value;
  return html`<div role="status" class="preview"><table class="sum"><caption class="only-read">What is given back</caption>
      <tbody>${of.items.map((item) => html`<tr key=${item.item_id}><th scope="row">${item.title}${item.quantity > 1 ? ` × ${item.quantity}` : ""}<small class="quiet"> ${item.percent} % of ${money(item.paid, currency)}</small></th><td class="number">${money(item.gives_back, currency)}</td></tr>`)}
        ${of.surplus > 0 && html`<tr><th scope="row">Paid beyond the price</th><td class="number">${money(of.surplus, currency)}</td></tr>`}</tbody>
      <tfoot><tr><th scope="row">${isDesk ? "Given back" : "You get back"}</th><td class="number">${money(of.gives_back, currency)}</td></tr></tfoot></table>
    <p class="small quiet">${[
      of.kept > 0 && `${money(of.kept, currency)} stay with the venue by its terms.`,
      of.refunds.length > 0 && `The refund goes ${[...new Set(of.refunds.map((one) => TARGETS[one.target]))].join(" and ")}${of.needs_approval ? ", once the venue has approved it" : ""}.`,
      later && `Less from ${dateTime(of.less_after)} on.`,
    ].filter(Boolean).join(" ")}</p></div>`;
}

export function Cancelling({ booking, isDesk, before, onDone }) {
  const form = useRef(null);
  const name = `cancel.${booking.id}`;
  const items = booking.items.filter((item) => item.kind !== "fee");
  const [chosen, setChosen] = useState(items.map(({ id }) => id));
  const [refusal, setRefusal] = useState(null);
  const [preview, setPreview] = useState(null);
  const [busy, setBusy] = useState(false);
  const timer = useRef(null);
  const turn = useRef(0);

  const read = () => {
    const part = partOf(form.current, items);
    setChosen(part.item_ids ?? items.map(({ id }) => id));
    return { ...part, reason_code: form.current.elements.reason_code.value };
  };
  const look = async () => {
    const asked = read();
    const mine = ++turn.current;
    if (asked.item_ids?.length === 0) return;
    try {
      const found = await ask("GET", `/bookings/${booking.id}/cancellation?${new URLSearchParams(asked)}`);
      if (mine === turn.current) setPreview({ ...found, asked });
    } catch (thrown) {
      if (mine === turn.current) setRefusal(asRefusal(thrown));
    }
  };
  // What was shown is for what was chosen before; only what is shown can be done.
  const soon = () => {
    turn.current += 1;
    setPreview(null);
    setRefusal(null);
    read();
    clearTimeout(timer.current);
    timer.current = setTimeout(look, SOON);
  };
  useEffect(() => {
    keepTyped(form.current, name);
    look();
    return () => clearTimeout(timer.current);
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    setRefusal(null);
    setBusy(true);
    try {
      before?.();
      const reason = form.current.elements.reason.value.trim();
      const cancelled = await ask("POST", `/bookings/${booking.id}/cancel`, { ...preview.asked, ...(reason && { reason }) });
      forgetTyped(name);
      say(`${booking.reference} ${cancelled.status === "cancelled" ? "cancelled" : "changed"}`);
      onDone();
    } catch (thrown) {
      setRefusal(asRefusal(thrown));
    }
    setBusy(false);
  };
  const [count, word] = chosen.length === 1 ? several(items.find(({ id }) => id === chosen[0]) ?? items[0]) : [1, ""];
  const isWhole = preview ? preview.is_whole : chosen.length === items.length;
  return html`<form ref=${form} onSubmit=${submit}>
    <h2>Cancel ${booking.reference}</h2>
    ${items.length > 1 && html`<fieldset><legend>What of it</legend>${items.map((item) => html`<${Checkbox} key=${item.id} name=${`item.${item.id}`} label=${`${item.title}${item.quantity > 1 ? `, ${item.quantity}` : ""}`} defaultChecked=${true} onChange=${soon} />`)}</fieldset>`}
    ${count > 1 && html`<label class="field" key=${chosen[0]}><span>How many</span><select name="guests" onChange=${soon}><option value="0">all ${many(count, word)}</option>${Array.from({ length: count - 1 }, (_, n) => html`<option key=${n} value=${n + 1}>${many(n + 1, word)} fewer</option>`)}</select></label>`}
    ${chosen.length === 0 ? html`<p class="quiet" role="status">Choose what is to be cancelled.</p>` : preview ? html`<${Preview} of=${preview} isDesk=${isDesk} />` : !refusal && html`<p class="quiet" role="status">On its way.</p>`}
    <label class="field"><span>Why</span><select name="reason_code" onChange=${soon}>${Object.entries(REASONS).map(([code, words]) => html`<option value=${code}>${words}</option>`)}</select></label>
    <label class="field"><span>A word to the other side</span><textarea name="reason" maxlength="1000"></textarea></label>
    <${Refused} refusal=${refusal} onPick=${() => {}} label=${(one) => one.label} />
    ${!preview && refusal && html`<div class="row"><button type="button" class="button" onClick=${soon}>Look again</button></div>`}
    <div class="row between"><button class="button main" disabled=${busy || !preview}>Cancel ${isWhole ? "the booking" : "this part"}</button><button type="button" class="button" onClick=${onDone}>Keep it</button></div>
  </form>`;
}
