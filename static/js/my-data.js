/** What the hub keeps of somebody: taken along as a file, or erased for good. */

import { useEffect } from "preact/hooks";
import { Refusal, ask, erase } from "./account.js";
import { Checkbox, Code, Field, Form, Sentence, useAct } from "./fields.js";
import { html } from "./page.js";
import { save } from "./papers.js";
import { asked } from "./personal.js";

const factor = asked("/me/totp");

export function MyData() {
  const { busy, refusal, run } = useAct();
  const file = async () => new Blob([JSON.stringify(await ask("GET", "/me/export"), null, 2)], { type: "application/json" });
  const download = () => run(async () => save(await file(), "my-data.json"));
  return html`<p>Everything the hub keeps of you, in one file that programs can read.</p>
    <div class="row"><button type="button" class="button" disabled=${busy} onClick=${download}>Download my data</button></div>
    <${Sentence} refusal=${refusal} />
    <details><summary>Erase my account</summary><${Erasing} /></details>`;
}

function Erasing() {
  useEffect(() => void factor.load(), []);
  const send = async ({ elements }) => {
    if (!elements.is_sure.checked) throw new Refusal({ detail: "Tick the box: this cannot be undone." });
    await erase({ password: elements.password.value || undefined, totp_code: elements.totp_code?.value || undefined });
    location.assign("/");
  };
  return html`<${Form} name="erase" submit="Erase my account" label="Erase my account" main=${false} send=${send}>${(refusal) => html`
    <p>Your name, addresses, picture and log-ins go for good. Bookings and payments stay in the books, without you.</p>
    <${Field} label="Password" name="password" type="password" autocomplete="current-password" refusal=${refusal} />
    ${factor.data.value?.is_on && html`<${Code} label="Code of your authenticator app" name="totp_code" refusal=${refusal} />`}
    <${Checkbox} label="I know that this cannot be undone." name="is_sure" required data-forget="yes" />`}<//>`;
}
