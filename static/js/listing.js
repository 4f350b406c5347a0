/** A list of what a venue has, each with its form to change it, and a form for one more. */

import { ask } from "./account.js";
import { Form, Sentence, Sure, useAct } from "./fields.js";
import { html } from "./page.js";
import { Waiting } from "./personal.js";

function One({ one, path, words, fields, read, load, end }) {
  const { busy, refusal, run } = useAct();
  const change = async (form) => {
    await ask("PATCH", `${path}/${one.id}`, read(form, one));
    await load();
  };
  const remove = () => run(() => ask("DELETE", `${path}/${one.id}`)).then(load);
  const { name, detail, state } = words(one);
  return html`<li data-one=${one.id}><div><b>${name}</b>${state && html` <span class="state" data-state=${state.shape}>${state.word}</span>`}<p class="small quiet">${detail}</p></div>
    <${Sure} word=${end.word} question=${end.question(name)} sure=${end.word} aria-label=${`${end.word} ${name}`} busy=${busy} onSure=${remove} />
    <${Sentence} refusal=${refusal} />
    <details class="wide"><summary aria-label=${`Change it: ${name}`}>Change it</summary><${Form} key=${one.updated_at} name=${`${path}.${one.id}`} submit="Save" label=${`Change ${name}`} send=${change}>${(refused) => fields(one, refused)}<//></details></li>`;
}

/**
 * `list` is asked from `path`; `words(one)` names one, `fields(one, refusal)` are its form's, `read(form, one)` answers what
 * that asks for; `one` is nothing for a new one. `made` names the new one's form, `none` says that there is nothing yet.
 */
export function Listing({ list, path, words, fields, read, made, none, end = { word: "Delete", question: (name) => `Delete ${name}?` } }) {
  const create = async (form) => {
    await ask("POST", path, read(form, null));
    form.reset();
    await list.load();
    return "Made.";
  };
  const items = list.data.value?.items;
  return html`<${Waiting} of=${list} />
    ${items && html`<ul class="lines listing">${items.map((one) => html`<${One} key=${one.id} one=${one} path=${path} words=${words} fields=${fields} read=${read} load=${list.load} end=${end} />`)}${!items.length && html`<li class="quiet">${none}</li>`}</ul>
    <details><summary>${made}</summary><${Form} name=${`${path}.new`} submit="Make it" label=${made} send=${create}>${(refusal) => fields(null, refusal)}<//></details>`}`;
}
