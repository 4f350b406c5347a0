/** The audit trail: who changed what, from where, and whether the record is whole. */

import { useState } from "preact/hooks";
import { ask } from "./account.js";
import { Sentence, useAct } from "./fields.js";
import { html, may, now } from "./page.js";
import { Pages, filters } from "./paging.js";
import { Waiting, asked, drawFor } from "./personal.js";
import { ago, dateTime, many, number } from "./words.js";

const DAY = /^\d{4}-\d\d-\d\d$/;
const wanted = new URLSearchParams(filters());

/** Days are the visitor's own, and the last one is meant whole. */
function query() {
  const more = {};
  const [from, to] = [wanted.get("from"), wanted.get("to")];
  if (DAY.test(from)) more.from = new Date(`${from}T00:00`).toISOString();
  if (DAY.test(to)) more.to = new Date(Date.parse(`${to}T00:00`) + 86_400_000).toISOString();
  return filters(more);
}

const trail = asked(() => `/audit?${query()}`);

const write = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
const words = (name) => name.replaceAll("_", " ");
const who = (id, name) => (may("user:read") ? html`<a href=${`/admin/users/${id}`}>${name ?? `person ${id}`}</a>` : (name ?? `person ${id}`));

function Changes({ entry }) {
  const names = [...new Set([...Object.keys(entry.before ?? {}), ...Object.keys(entry.after ?? {})])];
  if (!names.length) return null;
  return html`<details><summary>${many(names.length, "value")}</summary><table class="changes">
    <thead><tr><th scope="col">What</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
    <tbody>${names.map((name) => html`<tr key=${name}><th scope="row">${words(name)}</th><td>${write(entry.before?.[name])}</td><td>${write(entry.after?.[name])}</td></tr>`)}</tbody></table></details>`;
}

function Entry({ entry }) {
  const by = entry.actor_id ? who(entry.actor_id, entry.actor_name) : "the hub, or a guest";
  return html`<li data-entry=${entry.id}>
    <p><span class="state" data-state=${entry.operation === "denied" ? "pending" : "confirmed"}>${entry.operation}</span> <b>${words(entry.entity)}${entry.entity_id ? ` ${entry.entity_id}` : ""}</b> by ${by}${entry.impersonator_id && html`, for whom ${who(entry.impersonator_id)} acted`}</p>
    <p class="small quiet"><time datetime=${entry.at} title=${ago(entry.at, now.value)}>${dateTime(entry.at)}</time>${entry.asked && ` · ${entry.asked}`}${entry.address && ` · from ${entry.address}`}${entry.request_id && ` · request ${entry.request_id}`}</p>
    <${Changes} entry=${entry} /></li>`;
}

function Whole() {
  const [found, setFound] = useState(null);
  const { busy, refusal, run } = useAct();
  const verify = () => run(async () => {
    let entries = 0;
    let seal = 1;
    for (;;) {
      const part = await ask("GET", `/audit/verify?from_seal=${seal}`);
      entries += part.entries;
      setFound({ ...part, entries });
      if (!part.holds || !part.next_seal) return;
      seal = part.next_seal;
    }
  });
  const told = () => (found.holds
    ? `${busy ? "So far whole" : "Whole"}: ${number(found.entries)} sealed entries are as they were written, ${number(found.unsealed)} wait for their seal.`
    : `Broken at seal ${found.broken.seal}${found.broken.row ? `, entry ${found.broken.row}` : ""}: ${found.broken.reason}`);
  return html`<div class="row whole"><button type="button" class="button" disabled=${busy} onClick=${verify}>Check that the record is whole</button>
    <span role="status">${found && told()}</span></div><${Sentence} refusal=${refusal} />`;
}

function Trail() {
  const found = trail.data.value;
  return html`${may("audit:read") && html`<${Whole} />`}<${Waiting} of=${trail} />
    ${found && html`<h2 class="only-read">Found</h2><ol class="trail sheet">${found.items.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} />`)}${!found.items.length && html`<li>Nothing was changed that fits.</li>`}</ol>
      <${Pages} meta=${found.meta} one="change" />`}`;
}

drawFor(Trail, wanted.has("venue_id") ? undefined : "audit:read");
