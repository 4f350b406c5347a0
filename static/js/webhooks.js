/** The webhooks of a venue: where its events are sent to, which, and how each delivery went. */

import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { ask } from "./account.js";
import { Checkbox, Field, Form, Sentence, Sure, useAct } from "./fields.js";
import { data, html, now } from "./page.js";
import { Pages, filters } from "./paging.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { ago, dateTime, many, number } from "./words.js";

const BECAUSE = { asked: "switched off", failing: "switched off: it took nothing for a day", gone: "switched off: it said that it is gone" };
const STATES = [["", "all"], ["waiting", "waiting"], ["delivered", "delivered"], ["failed", "given up"]];
// While something waits, it is asked that often how it goes.
const LOOK_AGAIN = 2_000;

const path = `/venues/${data.venue_id}/webhooks`;
const query = () => new URLSearchParams(location.search);
const hooks = asked(`${path}?per_page=100`);
const chosen = () => {
  const items = hooks.data.value?.items ?? [];
  return items.find(({ id }) => id === Number(query().get("webhook"))) ?? items[0];
};
const deliveries = asked(() => {
  const wanted = new URLSearchParams(filters());
  wanted.delete("webhook");
  return `${path}/${chosen().id}/deliveries?${wanted}`;
});
// What is shown this once: { id, secret }.
const fresh = signal(null);

const host = (one) => {
  try {
    return new URL(one.url).host;
  } catch {
    return one.url;
  }
};
const show = (id) => {
  history.replaceState(null, "", `?webhook=${id}`);
  deliveries.data.value = null;
};
const load = () => hooks.load().then(() => chosen() && deliveries.load());

/** Which events: a checkbox each, those of one kind together. */
function Events({ picked }) {
  const kinds = [...new Set(data.events.map((name) => name.split(".")[0]))];
  return html`<fieldset class="events"><legend>What is sent</legend>${kinds.map((kind) => html`<div key=${kind}>${data.events.filter((name) => name.startsWith(`${kind}.`)).map((name) => html`
    <${Checkbox} key=${name} label=${name.replaceAll(/[._]/g, " ")} name=${name} data-event="yes" defaultChecked=${picked.includes(name)} />`)}</div>`)}</fieldset>`;
}

function WebhookForm({ name, one, submit, send, done }) {
  const read = (form) => send({
    url: form.elements.url.value.trim(),
    description: form.elements.description.value.trim(),
    events: [...form.elements].filter((field) => field.dataset.event && field.checked).map((field) => field.name),
    with_bookings: form.elements.with_bookings.checked,
  });
  return html`<${Form} name=${name} submit=${submit} label=${one ? "Change the webhook" : "New webhook"} done=${done} send=${read} main=${!one}>${(refusal) => html`
    <${Field} label="Address" name="url" type="url" inputmode="url" autocomplete="off" maxlength="500" defaultValue=${one?.url ?? ""} hint="https, on the public internet." refusal=${refusal} required />
    <${Field} label="What it is for" name="description" maxlength="500" defaultValue=${one?.description ?? ""} refusal=${refusal} />
    <${Events} picked=${one?.events ?? data.usual} />
    <${Checkbox} label="Send bookings whole, with their guests; otherwise only which booking and its state" name="with_bookings" defaultChecked=${one?.with_bookings ?? false} />`}<//>`;
}

function Creating({ open }) {
  const send = async (fields) => {
    const made = await ask("POST", path, fields);
    fresh.value = { id: made.webhook.id, secret: made.secret };
    show(made.webhook.id);
    await load();
  };
  return html`<details class="sheet" open=${open}><summary>New webhook</summary><${WebhookForm} name=${`webhook.new.${data.venue_id}`} submit="Send events there" send=${send} /></details>`;
}

function Secret({ one }) {
  if (fresh.value?.id !== one.id) return null;
  return html`<div class="done" role="status"><p>This secret signs what is sent there. It is shown this once; keep it where the receiver finds it.</p><p><code class="secret">${fresh.value.secret}</code></p></div>`;
}

function state(one) {
  if (!one.is_active) return BECAUSE[one.disabled_because];
  return one.failing_since ? `takes nothing since ${dateTime(one.failing_since)}` : "on";
}

function About({ one }) {
  const { busy, refusal, run } = useAct();
  const act = (method, where = "", body) => run(async () => {
    const answer = await ask(method, `${path}/${one.id}${where}`, body);
    if (answer?.secret) fresh.value = { id: one.id, secret: answer.secret };
    if (method === "DELETE") history.replaceState(null, "", location.pathname);
    await load();
  });
  return html`<${Section} title=${host(one)} id="webhook"><p>${one.description || one.url}</p>
    <p><span class="state" data-state=${one.is_active && !one.failing_since ? "confirmed" : "pending"}>${state(one)}</span> <span class="quiet small">${many(one.waiting, "message")} to come, ${number(one.last_sequence)} so far${one.old_secret_until ? ` · the old secret signs too, ends ${ago(one.old_secret_until, now.value)}` : ""}</span></p>
    <${Secret} one=${one} />
    <div class="row">
      ${one.is_active && html`<button type="button" class="button" disabled=${busy} onClick=${() => act("POST", "/test", {})}>Send a test</button>`}
      <button type="button" class="button" disabled=${busy} onClick=${() => act("PATCH", "", { is_active: !one.is_active })}>${one.is_active ? "Switch off" : "Switch on"}</button>
      <${Sure} word="New secret" question="For a day both will sign." sure="Draw a new secret" busy=${busy} onSure=${() => act("POST", "/secret", {})} />
      <${Sure} word="Delete" question="Delete it, with its deliveries?" sure="Delete" busy=${busy} onSure=${() => act("DELETE")} />
    </div><${Sentence} refusal=${refusal} />
    <details><summary>Change it</summary><${WebhookForm} key=${one.updated_at} name=${`webhook.${one.id}`} one=${one} submit="Save" send=${(fields) => ask("PATCH", `${path}/${one.id}`, fields).then(load)} /></details><//>`;
}

function Delivery({ one, again }) {
  const word = { waiting: one.attempts ? "tried again" : "waiting", delivered: "delivered", failed: "given up" }[one.status];
  const told = [
    one.answered && `answered ${one.answered}`,
    one.status !== "delivered" && one.error && !one.error.startsWith("answered") && one.error,
    one.milliseconds !== null && `${number(one.milliseconds)} ms`,
    many(one.attempts, "attempt"),
    one.status === "waiting" && one.attempts && one.due_at && `next ${ago(one.due_at, now.value)}`,
  ];
  return html`<li data-delivery=${one.sequence}>
    <p><span class="state" data-state=${one.status === "delivered" ? "confirmed" : "pending"}>${word}</span> <b>${one.name}</b> <span class="number quiet">no. ${one.sequence}</span></p>
    <p class="small quiet"><time datetime=${one.at}>${dateTime(one.at)}</time> · ${told.filter(Boolean).join(" · ")} · <code>msg_${one.id.replaceAll("-", "")}</code></p>
    <button type="button" class="button" aria-label=${`Again from here, number ${one.sequence}`} onClick=${() => again(one.sequence - 1)}>Again from here</button></li>`;
}

function Deliveries({ one }) {
  const { busy, refusal, run } = useAct();
  const [told, setTold] = useState("");
  const again = (since) => run(async () => {
    const { messages } = await ask("POST", `${path}/${one.id}/replay`, { since });
    setTold(`${many(messages, "message")} on the way again.`);
    await load();
  });
  const found = deliveries.data.value;
  useEffect(() => {
    if (!one.waiting || !one.is_active) return undefined;
    const later = setInterval(() => document.visibilityState === "visible" && load(), LOOK_AGAIN);
    return () => clearInterval(later);
  }, [one.id, one.is_active, one.waiting > 0]);
  useEffect(() => {
    if (!found) deliveries.load();
  }, [one.id]);
  const status = query().get("status") ?? "";
  return html`<${Section} title="Deliveries" id="deliveries">
    <nav class="tabs" aria-label="Which deliveries">${STATES.map(([value, words]) => html`<a key=${value} class="button" href=${`?webhook=${one.id}${value && `&status=${value}`}#deliveries`} aria-current=${value === status ? "page" : undefined}>${words}</a>`)}</nav>
    <${Waiting} of=${deliveries} /><${Sentence} refusal=${refusal} /><p class="told" role="status">${told}</p>
    ${found && html`<ol class="trail" aria-busy=${busy}>${found.items.map((delivery) => html`<${Delivery} key=${delivery.sequence} one=${delivery} again=${again} />`)}${!found.items.length && html`<li>Nothing yet.</li>`}</ol><${Pages} meta=${found.meta} one="message" />`}<//>`;
}

function Webhooks() {
  if (!useTogether(hooks)) return html`<${OnItsWay} />`;
  const items = hooks.data.value?.items ?? [];
  const one = chosen();
  if (!hooks.data.value) return html`<${Waiting} of=${hooks} />`;
  return html`<p class="quiet small">What happens here is sent to other programs as it happens, by Standard Webhooks, and again for more than a day where it is not taken.</p>
    ${one
      ? html`<div class="role-page"><nav class="sheet" aria-label="Webhooks"><ul class="lines">${items.map((each) => html`<li key=${each.id}><a class="pick" href=${`?webhook=${each.id}`} aria-current=${each === one ? "true" : undefined}><b>${host(each)}</b><span class="small quiet">${state(each)}</span></a></li>`)}</ul></nav>
        <div class="stack"><${About} key=${`about ${one.id}`} one=${one} /><${Deliveries} key=${one.id} one=${one} /><${Creating} /></div></div>`
      : html`<${Creating} open=${true} />`}`;
}

drawFor(Webhooks);
