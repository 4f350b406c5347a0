/** The second factor: an authenticator is set up by its QR code, confirmed by its first digits, and ended. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, needsSecondFactor } from "./account.js";
import { Code, Field, Form } from "./fields.js";
import { html } from "./page.js";
import { asPicture } from "./papers.js";
import { many } from "./words.js";

const Password = ({ refusal }) => html`<${Field} label="Password" name="password" type="password" autocomplete="current-password" refusal=${refusal} required />`;

export function SecondFactor({ factor }) {
  const [enrolment, setEnrolment] = useState(null);
  const [codes, setCodes] = useState(null);
  const { is_on: isOn, is_required: isRequired, recovery_codes_left: left } = factor.data.value;
  if (codes) return html`<${RecoveryCodes} codes=${codes} onDone=${() => setCodes(null)} />`;
  if (enrolment) {
    const confirm = async ({ elements }) => {
      const answer = await ask("POST", "/me/totp/confirm", { code: elements.code.value });
      needsSecondFactor.value = false;
      setEnrolment(null);
      setCodes(answer.recovery_codes);
      factor.load();
    };
    return html`<div class="enrolment"><img class="qr" src=${asPicture(enrolment.qr_svg)} alt="QR code for your authenticator app" width="200" height="200" />
      <div><p>Scan this with your authenticator app, or type the key into it:</p><p><code class="secret">${enrolment.secret.match(/.{1,4}/g).join(" ")}</code></p>
        <p><a href=${enrolment.uri}>Open the app on this device</a></p></div></div>
      <${Form} name="totp.confirm" submit="Turn it on" label="Confirm the authenticator" send=${confirm} more=${html`<button type="button" class="button" onClick=${() => setEnrolment(null)}>Not now</button>`}>${(refusal) => html`<${Code} label="The six digits it shows" refusal=${refusal} />`}<//>`;
  }
  if (!isOn) {
    const begin = async ({ elements }) => setEnrolment(await ask("POST", "/me/totp", { password: elements.password.value }));
    return html`<p>${isRequired ? "Your role needs one: " : ""}Besides your password, log-in asks for six digits that only your phone knows.</p>
      <${Form} name="totp.begin" submit="Set it up" label="Set up a second factor" send=${begin}>${(refusal) => html`<${Password} refusal=${refusal} />`}<//>`;
  }
  const proof = ({ elements }) => ({ password: elements.password.value, code: elements.code.value });
  const renew = async (form) => {
    setCodes((await ask("POST", "/me/totp/recovery-codes", proof(form))).recovery_codes);
    factor.load();
  };
  const end = async (form) => {
    await ask("POST", "/me/totp/end", proof(form));
    factor.load();
  };
  const asks = (refusal) => html`<${Password} refusal=${refusal} /><${Code} label="Code of your authenticator app" refusal=${refusal} />`;
  return html`<p><span class="state" data-state="confirmed">on</span> ${many(left, "recovery code")} left.</p>
    <details><summary>New recovery codes</summary><${Form} name="totp.renew" submit="Get new ones" label="New recovery codes" main=${false} send=${renew}>${asks}<//></details>
    ${isRequired ? html`<p class="small quiet">Your role needs it, so it stays on.</p>` : html`<details><summary>Turn it off</summary><${Form} name="totp.end" submit="Turn it off" label="Turn the second factor off" main=${false} send=${end}>${asks}<//></details>`}`;
}

function RecoveryCodes({ codes, onDone }) {
  const title = useRef(null);
  useEffect(() => title.current.focus(), []);
  return html`<div class="done"><h3 ref=${title} tabindex="-1">Keep these recovery codes</h3>
    <p>Each works once in place of the app, should you lose your phone. They are shown this once.</p>
    <ul class="codes">${codes.map((code) => html`<li key=${code}><code>${code}</code></li>`)}</ul>
    <div class="row"><button type="button" class="button main" onClick=${onDone}>I have kept them</button><button type="button" class="button" onClick=${() => navigator.clipboard?.writeText(codes.join("\n"))}>Copy</button></div></div>`;
}
