/** One's bookings in one's own calendar program: a secret address to subscribe to, told once. */

import { useState } from "preact/hooks";
import { ask } from "./account.js";
import { Sentence, Sure, useAct } from "./fields.js";
import { html } from "./page.js";
import { Waiting, asked } from "./personal.js";

const feed = asked("/me/calendar");

export function CalendarFeed() {
  const [isOpen, setOpen] = useState(false);
  return html`<details class="sheet" onToggle=${({ target }) => setOpen(target.open)}><summary>In your own calendar</summary>${isOpen && html`<${Subscribing} />`}</details>`;
}

function Subscribing() {
  const [address, setAddress] = useState(null);
  const { busy, refusal, run } = useAct();
  const begin = () => run(async () => {
    const { url } = await ask("POST", "/me/calendar", {});
    setAddress(url);
    await feed.load();
  });
  const end = () => run(async () => {
    await ask("DELETE", "/me/calendar");
    setAddress(null);
    await feed.load();
  });
  const found = feed.data.value;
  if (!found) return html`<${Waiting} of=${feed} />`;
  return html`<p>${found.is_on ? "Your bookings can be subscribed to at a secret address." : "A calendar program can show your bookings, and follows them by itself."}</p>
    ${address && html`<div class="done" role="status"><p>Subscribe to this address in your calendar program. Whoever knows it can read your bookings; it is shown this once.</p><p><code class="secret">${address}</code></p>
      <div class="row"><button type="button" class="button" onClick=${() => navigator.clipboard?.writeText(address)}>Copy</button></div></div>`}
    <div class="row">${found.is_on
      ? html`<${Sure} word="New address" question="The old one will lead nowhere." sure="Draw a new address" busy=${busy} onSure=${begin} /><button type="button" class="button" disabled=${busy} onClick=${end}>Stop</button>`
      : html`<button type="button" class="button" disabled=${busy} onClick=${begin}>Get an address</button>`}</div><${Sentence} refusal=${refusal} />`;
}
