/** The sessions of a venue as a list, their places as dots, each with its own Hold. */

import { useState } from "preact/hooks";
import { announce, say, useLit } from "./announce.js";
import { Dots, PlacesWords, Refused, Stepper } from "./cells.js";
import { hold } from "./choosing.js";
import { sessionRows } from "./grid.js";
import { html, now } from "./page.js";
import { Extras } from "./quoting.js";
import { keep, kept } from "./typed.js";
import { dateOf, many, money, time, visitorsTime } from "./words.js";

export function Places({ snapshot, mine }) {
  const { venue } = snapshot;
  const rows = sessionRows(snapshot, now.value);
  const marks = new Map(rows.map((row) => [row.session.id, `${row.free} ${row.held}`]));
  const lit = useLit(marks, "sessions", (_, before, after) => {
    const change = Number(after.split(" ")[0]) - Number(before.split(" ")[0]);
    if (change) announce("place", change > 0 ? "freed" : "taken", Math.abs(change));
  });
  return html`<h2 id="places-title">Sessions</h2>
    <ul class="sessions">
      ${rows.map((row) => html`<${Session} key=${row.session.id} row=${row} venue=${venue} isLit=${lit.has(row.session.id)} mine=${mine} />`)}
      ${!rows.length && html`<li class="quiet">No sessions are planned.</li>`}
    </ul>
    ${rows.length > 0 && html`<${Extras} venue=${venue} />`}`;
}

function Session({ row, venue, isLit, mine }) {
  const { session } = row;
  const zone = venue.timezone;
  const name = `places.${session.id}`;
  const [wanted, setWanted] = useState(kept(name) ?? 1);
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const yours = mine.filter((item) => item.session_id === session.id).reduce((sum, item) => sum + item.quantity, 0);
  const visitors = visitorsTime(session.starts_at, zone);

  const want = (count) => {
    setWanted(count);
    keep(name, count);
  };
  const take = async (items) => {
    setBusy(true);
    setRefusal(null);
    try {
      await hold(items);
      keep(name, null);
      setWanted(1);
      say("Held for you");
    } catch (refused) {
      setRefusal(refused);
    }
    setBusy(false);
  };

  return html`<li id=${`session-${session.id}`} class=${isLit ? "lit" : undefined}>
    <span class="when"><b>${dateOf(session.starts_at, zone)}</b><span class="number">${time(session.starts_at, zone)}–${time(session.ends_at, zone)}</span>${visitors && html`<br /><small class="quiet">${visitors}</small>`}</span>
    <div><h3>${session.title}</h3><span class="quiet small">${session.kind} · ${session.facilitator_name}${session.location ? ` · ${session.location}` : ""}</span><br />
      <${Dots} ...${row} yours=${yours} /> <${PlacesWords} ...${row} zone=${zone} full=${venue.hold_seconds * 1000} />
      ${yours > 0 && html` <b class="number"><span class="tick" aria-hidden="true">✓</span> ${many(yours, "place")} yours</b>`}
      <${Refused} refusal=${refusal} onPick=${(one) => take([one.item])} label=${(one) => `${one.label}, ${money(one.price, one.currency)}`} />
    </div>
    <span class="ask"><b class="number">${money(session.price, venue.currency)}</b>
      ${row.free > 0 &&
      html`<${Stepper} label="places" value=${Math.min(wanted, row.free)} least=${1} most=${Math.min(row.free, 1000)} onChange=${want} />
        <button type="button" class="button main" disabled=${busy} aria-label=${`Hold places in ${session.title}`} onClick=${() => take([{ kind: "place", session_id: session.id, quantity: Math.min(wanted, row.free) }])}>Hold</button>`}
    </span>
  </li>`;
}
