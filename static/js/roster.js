/** Today: what takes place, how full it is, and who is expected. */

import { useState } from "preact/hooks";
import { ask } from "./account.js";
import { STATES } from "./acting.js";
import { Bar } from "./cells.js";
import { Field, Sentence, useAct } from "./fields.js";
import { html, now } from "./page.js";
import { many, time } from "./words.js";

const KINDS = { departure: "leaving", arrival: "arriving", night: "tonight", session: "", slot: "" };

export function Roster({ dashboard, venues }) {
  return html`<section class="sheet roster" aria-labelledby="roster-title">
    <h2 id="roster-title">Today</h2>
    <${CheckIn} />
    <ul>${dashboard.roster.map((line) => html`<${Line} key=${`${line.kind} ${line.venue_id} ${line.session_id} ${line.title} ${line.starts_at} ${line.expected[0]?.booking_id}`} line=${line} zone=${venues.get(line.venue_id)?.timezone ?? "UTC"} />`)}</ul>
    ${!dashboard.roster.length && html`<p class="quiet">Nothing is planned today.</p>`}
  </section>`;
}

/** Lets a guest in by the code that they show. */
function CheckIn() {
  const { busy, refusal, run, forgive } = useAct();
  const [told, setTold] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const { code } = event.target.elements;
    setTold("");
    run(async () => {
      const booking = await ask("POST", "/check-ins", { code: code.value.trim() });
      setTold(`${booking.guest_details?.full_name || booking.guest.full_name} is in: ${booking.reference}.`);
      code.value = "";
    });
  };
  return html`<form class="check-in" aria-label="Check in by code" onSubmit=${submit}>
    <${Field} label="Check-in code" name="code" autocomplete="off" spellcheck=${false} maxlength="100" refusal=${refusal} onInput=${forgive} required />
    <button class="button" disabled=${busy}>Check in</button><${Sentence} refusal=${refusal} /><p class="told" role="status">${told}</p></form>`;
}

function Line({ line, zone }) {
  const isOver = Date.parse(line.ends_at) <= now.value && line.kind !== "departure" && line.kind !== "arrival";
  const when = line.starts_at === line.ends_at ? time(line.starts_at, zone) : `${time(line.starts_at, zone)}–${time(line.ends_at, zone)}`;
  return html`<li data-over=${isOver || undefined}>
    <p class="row between"><b>${line.title}</b><span class="number small">${when}</span></p>
    <p class="row small">${KINDS[line.kind] && html`<span class="quiet">${KINDS[line.kind]}</span>`}
      ${line.capacity !== null ? html`<${Bar} taken=${line.booked} total=${line.capacity} /><span class="number">${line.booked} of ${line.capacity}</span>` : html`<span class="number">${many(line.booked, line.kind === "slot" ? "guest" : "room")}</span>`}</p>
    ${line.expected.length > 0 &&
    html`<details><summary>${line.expected.length === 1 ? line.expected[0].full_name : many(line.expected.length, "booking")}</summary>
      <ul>${line.expected.map((one) => html`<li class="row between small" key=${one.booking_id}><span>${one.full_name}${one.quantity > 1 ? ` × ${one.quantity}` : ""}</span><span class="quiet number">${one.reference} · ${STATES[one.status]}</span></li>`)}</ul></details>`}
  </li>`;
}
