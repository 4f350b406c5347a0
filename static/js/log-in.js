/** Logging in without leaving the page: what was typed and chosen stays, and what was asked goes on afterwards. */

import { h } from "preact";
import htm from "htm";
import { useEffect, useRef, useState } from "preact/hooks";
import { logIn, logInAsked, register } from "./account.js";
import { Code, Field, Sentence } from "./fields.js";
import { valuesOf } from "./typed.js";

const html = htm.bind(h);

export function LogInDialog() {
  const done = logInAsked.value;
  const dialog = useRef(null);
  const [isNew, setNew] = useState(false);
  const [refusal, setRefusal] = useState(null);
  const [busy, setBusy] = useState(false);
  const [asksCode, setAsksCode] = useState(false);

  useEffect(() => {
    if (done && !dialog.current.open) dialog.current.showModal();
    if (!done && dialog.current?.open) dialog.current.close();
  }, [done]);

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    try {
      await (isNew ? register : logIn)(valuesOf(event.target));
      event.target.reset();
      done(true);
    } catch (refused) {
      if (refused.problem?.code === "second_factor_needed" && !asksCode) setAsksCode(true);
      else setRefusal(refused);
    } finally {
      setBusy(false);
    }
  };

  return html`<dialog ref=${dialog} aria-labelledby="log-in-title" onClose=${() => logInAsked.value?.(false)}>
    ${done && html`<form onSubmit=${submit} novalidate>
      <h2 id="log-in-title">${isNew ? "Register to go on" : "Log in to go on"}</h2>
      ${isNew && html`<${Field} label="Your name" name="full_name" autocomplete="name" refusal=${refusal} required />`}
      <${Field} label="E-mail" name="email" type="email" autocomplete="email" refusal=${refusal} required />
      <${Field} label="Password" name="password" type="password" autocomplete=${isNew ? "new-password" : "current-password"} refusal=${refusal} required />
      ${asksCode && !isNew && html`<${Code} label="Code of your authenticator app, or a recovery code" name="totp_code" refusal=${refusal} />`}
      <${Sentence} refusal=${refusal} form=${dialog.current?.querySelector("form")} />
      <div class="row between">
        <button class="button main" disabled=${busy}>${isNew ? "Register" : "Log in"}</button>
        <button type="button" class="button bare" onClick=${() => setNew(!isNew)}>${isNew ? "I have an account" : "I am new here"}</button>
        <button type="button" class="button" onClick=${() => dialog.current.close()}>Not now</button>
      </div>
    </form>`}
  </dialog>`;
}
