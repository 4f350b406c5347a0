/** Log-in and security: e-mail, password, second factor, linked log-ins and devices. */

import { useState } from "preact/hooks";
import { ask, changePassword, nowIs, person } from "./account.js";
import { Devices } from "./devices.js";
import { Code, Field, Form } from "./fields.js";
import { Linked, identities } from "./linked.js";
import { html } from "./page.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { SecondFactor } from "./second-factor.js";
import { keep, kept, valuesOf } from "./typed.js";
import { duration } from "./words.js";

const factor = asked("/me/totp");

/** The password once more, and the second factor where there is one: what changes a log-in is asked for both. */
function Proof({ refusal, name = "password" }) {
  return html`<${Field} label="Password as it is" name=${name} type="password" autocomplete="current-password" refusal=${refusal} required />
    ${factor.data.value?.is_on && html`<${Code} label="Code of your authenticator app" name="totp_code" refusal=${refusal} />`}`;
}

function Email() {
  const [sent, setSent] = useState(kept("email.sent"));
  const keepSent = (value) => {
    keep("email.sent", value);
    setSent(value);
  };
  const change = async (form) => keepSent(await ask("POST", "/me/email", valuesOf(form)));
  const confirm = async (form) => {
    nowIs(await ask("POST", "/me/email/confirm", valuesOf(form)));
    keepSent(null);
  };
  if (sent) {
    return html`<${Form} key="confirm" name="email.confirm" submit="Change to it" label="Confirm the new address" send=${confirm} more=${html`<button type="button" class="button" onClick=${() => keepSent(null)}>Not now</button>`}>${(refusal) => html`
      <p role="status">A code is on its way to ${sent.to}; it is good for ${duration(sent.expires_in)}. Until it came back, ${person.value.email} stays.</p>
      <${Code} refusal=${refusal} />`}<//>`;
  }
  return html`<${Form} key="change" name="email.change" submit="Send a code there" label="Change the e-mail address" send=${change}>${(refusal) => html`
    <p>You log in as <b>${person.value.email}</b>${person.value.email_verified ? "." : html`, which is not verified yet. <a href="/verify?next=/account/security">Verify it</a>`}</p>
    <${Field} label="New e-mail" name="email" type="email" autocomplete="email" maxlength="254" refusal=${refusal} required />
    <${Proof} refusal=${refusal} />`}<//>`;
}

function Password() {
  const send = async (form) => {
    await changePassword(valuesOf(form));
    devices.load();
  };
  return html`<${Form} name="password" submit="Change the password" label="Change the password" done="Changed; your other devices are logged out." send=${send}>${(refusal) => html`
    <${Proof} refusal=${refusal} name="current_password" />
    <${Field} label="New password" name="password" type="password" autocomplete="new-password" hint="At least 10 characters; a few words are best." refusal=${refusal} required />
    <p class="small"><a href="/forgot-password">Forgotten it?</a></p>`}<//>`;
}

const devices = asked("/me/logins?per_page=100");

function Security() {
  if (!useTogether(factor, devices, identities)) return html`<${OnItsWay} />`;
  return html`<div class="columns"><div class="stack">
      <${Section} title="Devices" id="devices"><${Devices} list=${devices} /><//>
      <${Section} title="Second factor" id="second-factor"><${Waiting} of=${factor} />${factor.data.value && html`<${SecondFactor} factor=${factor} />`}<//>
    </div><div class="stack">
      <${Section} title="Password" id="password"><${Password} /><//>
      <${Section} title="E-mail" id="email"><${Email} /><//>
      <${Section} title="Other ways to log in" id="linked"><${Linked} Proof=${Proof} /><//>
    </div></div>`;
}

drawFor(Security);
