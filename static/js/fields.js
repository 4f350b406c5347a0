/** Forms drawn by scripts: fields that say what is wrong with them, and one way to send them that loses nothing. */

import { h } from "preact";
import htm from "htm";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "./account.js";
import { forgetTyped, keepTyped } from "./typed.js";

const html = htm.bind(h);
let count = 0;

/** An id that nothing else on the page has. */
export function useId() {
  const id = useRef(null);
  id.current ??= `field-${++count}`;
  return id.current;
}

/** A label, a field, what is wrong with it and a hint; `kind` is input, select or textarea. */
export function Field({ label, name, refusal, hint, kind = "input", children, wide, ...attributes }) {
  const id = useId();
  const wrong = refusal?.field(name);
  const described = [wrong && `${id}-wrong`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${`field${wide ? " wide" : ""}`}><label for=${id}>${label}</label>
    ${h(kind, { id, name, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": described, ...attributes }, children)}
    ${wrong && html`<span class="wrong" id=${`${id}-wrong`}>${label} ${wrong}</span>`}
    ${hint && html`<small class="quiet" id=${`${id}-hint`}>${hint}</small>`}
  </div>`;
}

/** A choice of few: [value, words] each. */
export function Choice({ options, chosen, ...field }) {
  return html`<${Field} kind="select" ...${field}>${options.map(([value, words]) => html`<option key=${value} value=${value} selected=${String(value) === String(chosen ?? "")}>${words}</option>`)}<//>`;
}

/** A six-digit code, or a recovery code, that is never kept. */
export function Code({ label = "Six-digit code", name = "code", ...field }) {
  return html`<${Field} label=${label} name=${name} class="code" inputmode="numeric" autocomplete="one-time-code" maxlength="20" spellcheck=${false} data-forget="yes" ...${field} />`;
}

export function Checkbox({ label, ...attributes }) {
  return html`<label class="check"><input type="checkbox" ...${attributes} /><span>${label}</span></label>`;
}

/** Whatever went wrong as a refusal with one sentence. */
export const asRefusal = (thrown) => (thrown instanceof Refusal ? thrown : new Refusal({}));

/** Why the hub said no, and what it says of fields that this form does not have; nothing, if all is said at its field. */
export function Sentence({ refusal, form }) {
  if (!refusal) return null;
  const named = [...(form?.elements ?? [])].map((field) => field.name).filter(Boolean);
  const { errors = [] } = refusal.problem;
  const others = errors.filter((error) => !named.some((name) => error.field === name || error.field.endsWith(`.${name}`)));
  if (errors.length && !others.length) return null;
  return html`<div class="refusal" role="alert"><p>${refusal.message}</p>${others.map((error) => html`<p key=${error.field}>${error.field} ${error.message}</p>`)}</div>`;
}

/** Do one thing at a time: { busy, refusal, run(act) }; run answers whether it was done. */
export function useAct() {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(null);
  const run = async (act) => {
    setBusy(true);
    setRefusal(null);
    try {
      await act();
      return true;
    } catch (thrown) {
      setRefusal(asRefusal(thrown));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, refusal, run, forgive: () => setRefusal(null) };
}

/**
 * A form that is sent by `send(form)`. What is typed is kept under `name` until it was sent; the refusal is shown at its
 * fields, which `children(refusal)` draws, and `done` says that it went well.
 */
export function Form({ name, submit, send, done, children, more, main = true, label }) {
  const form = useRef(null);
  const { busy, refusal, run } = useAct();
  const [told, setTold] = useState("");
  useEffect(() => void keepTyped(form.current, name), []);
  useEffect(() => {
    if (refusal) form.current?.querySelector("[aria-invalid=true]")?.focus();
  }, [refusal]);
  const onSubmit = async (event) => {
    event.preventDefault();
    setTold("");
    const sent = await run(async () => {
      const sentence = await send(form.current);
      forgetTyped(name);
      setTold(sentence ?? done ?? "");
    });
    if (sent) for (const field of form.current?.querySelectorAll("[type=password], [data-forget]") ?? []) (field.type === "checkbox" ? (field.checked = false) : (field.value = ""));
  };
  return html`<form ref=${form} class="fields" aria-label=${label} onSubmit=${onSubmit} novalidate>
    ${children(refusal)}
    <${Sentence} refusal=${refusal} form=${form.current} />
    <div class="row"><button class=${`button${main ? " main" : ""}`} disabled=${busy}>${submit}</button>${more}<span class="told" role="status">${told}</span></div>
  </form>`;
}

/** Every field of a form as it stands: empty ones are null, so that what was emptied is emptied. */
export function everything(form) {
  const values = {};
  for (const field of form.elements) {
    if (!field.name || field.type === "radio") continue;
    values[field.name] = field.type === "checkbox" ? field.checked : field.value.trim() || null;
  }
  return values;
}

/** A button that asks once more before it does what cannot be undone. */
export function Sure({ word, question, sure, onSure, busy, ...attributes }) {
  const [asked, setAsked] = useState(false);
  const yes = useRef(null);
  const first = useRef(null);
  useEffect(() => {
    if (asked) yes.current?.focus();
  }, [asked]);
  const keep = () => {
    setAsked(false);
    setTimeout(() => first.current?.focus());
  };
  if (!asked) return html`<button ref=${first} type="button" class="button" disabled=${busy} onClick=${() => setAsked(true)} ...${attributes}>${word}</button>`;
  return html`<span class="sure row" role="group" aria-label=${question}><span>${question}</span>
    <button ref=${yes} type="button" class="button main" disabled=${busy} onClick=${() => Promise.resolve(onSure()).finally(() => setAsked(false))}>${sure}</button>
    <button type="button" class="button" onClick=${keep}>No</button></span>`;
}
