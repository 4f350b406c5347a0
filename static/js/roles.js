/** Roles, and what each allows: a matrix of resources and actions, changed by whoever stands above the role. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "./account.js";
import { Field, Form, Sentence, Sure, everything, useAct } from "./fields.js";
import { html, may } from "./page.js";
import { ownRank } from "./people.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { many } from "./words.js";

const ACTIONS = ["create", "read", "update", "delete", "manage", "approve", "execute"];

const roles = asked("/roles?per_page=100");
const permissions = asked("/permissions?per_page=100");
const rest = asked("/permissions?per_page=100&page=2");

/** The catalogue: every resource with what it is, and the actions there are on it. */
function resources() {
  const found = new Map();
  for (const one of [...(permissions.data.value?.items ?? []), ...(rest.data.value?.items ?? [])]) {
    if (!found.has(one.resource)) found.set(one.resource, { name: one.resource, description: one.description, actions: new Set() });
    found.get(one.resource).actions.add(one.action);
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function Matrix({ role, mayChange }) {
  const send = async (form) => {
    const chosen = [...form.elements].filter((field) => field.type === "checkbox" && field.checked).map((field) => field.name);
    await ask("PUT", `/roles/${role.id}/permissions`, { permissions: chosen });
    await roles.load();
  };
  const cells = (resource) => ACTIONS.map((action) => {
    if (!resource.actions.has(action)) return html`<td key=${action} class="none"><span aria-hidden="true">·</span></td>`;
    const name = `${resource.name}:${action}`;
    const isOn = role.permissions.includes(name);
    const words = `${resource.name}, ${action}`;
    return html`<td key=${action}>${mayChange
      ? html`<label class="tick"><input type="checkbox" name=${name} aria-label=${words} defaultChecked=${isOn} /><span aria-hidden="true">${action}</span></label>`
      : html`<span class="tick" data-on=${isOn}><span aria-hidden="true">${isOn ? "✓" : "–"}</span><span class="only-read">${isOn ? "yes" : "no"}</span><span aria-hidden="true" class="action">${action}</span></span>`}</td>`;
  });
  const table = html`<table class="matrix"><caption class="only-read">What ${role.name} allows</caption>
    <thead><tr><th scope="col">Resource</th>${ACTIONS.map((action) => html`<th key=${action} scope="col">${action}</th>`)}</tr></thead>
    <tbody>${resources().map((resource) => html`<tr key=${resource.name}><th scope="row">${resource.name}<small>${resource.description}</small></th>${cells(resource)}</tr>`)}</tbody></table>`;
  if (!mayChange) return table;
  return html`<${Form} name=${`role.${role.id}`} submit="Save what it allows" done="Saved; it holds at once for everybody who has it." label=${`What ${role.name} allows`} send=${send}>${() => table}<//>`;
}

function About({ role }) {
  const { busy, refusal, run } = useAct();
  const send = async (form) => {
    await ask("PATCH", `/roles/${role.id}`, { ...everything(form), rank: Number(form.elements.rank.value) || null });
    await roles.load();
  };
  const remove = () => run(async () => {
    await ask("DELETE", `/roles/${role.id}`);
    location.assign("/admin/roles");
  });
  return html`<details><summary>Rename or delete</summary><${RoleForm} name=${`role.${role.id}.about`} role=${role} submit="Save" send=${send}
      more=${may("role:delete") && html`<${Sure} word="Delete" question="Delete this role?" sure="Delete" busy=${busy} onSure=${remove} />`} /><${Sentence} refusal=${refusal} /></details>`;
}

function RoleForm({ name, role, submit, send, more }) {
  return html`<${Form} name=${name} submit=${submit} label=${role ? "Rename" : "New role"} send=${send} more=${more} main=${!role}>${(refusal) => html`<div class="pairs">
    <${Field} label="Name" name="name" maxlength="200" defaultValue=${role?.name ?? ""} refusal=${refusal} required />
    <${Field} label="Rank" name="rank" type="number" min="1" max="99" defaultValue=${role?.rank ?? 50} hint="Who has a higher one can grant it." refusal=${refusal} required />
    <${Field} label="What it is for" name="description" wide maxlength="200" defaultValue=${role?.description ?? ""} refusal=${refusal} /></div>`}<//>`;
}

function Creating() {
  const send = async (form) => {
    const { name, description } = everything(form);
    const made = await ask("POST", "/roles", { name, ...(description && { description }), rank: Number(form.elements.rank.value) });
    location.assign(`/admin/roles?role=${made.id}`);
  };
  return html`<details class="sheet"><summary>New role</summary><${RoleForm} name="role.new" submit="Make it" send=${send} /></details>`;
}

function Roles() {
  const [wanted] = useState(Number(new URLSearchParams(location.search).get("role")));
  const all = roles.data.value?.items ?? [];
  const isReady = useTogether(roles, permissions);
  useEffect(() => {
    if (permissions.data.value?.meta.total_pages > 1) rest.load();
  }, [permissions.data.value]);
  if (!isReady) return html`<${OnItsWay} />`;
  const role = all.find((one) => one.id === wanted) ?? all[0];
  const isBelow = role && role.rank < ownRank(all);
  return html`<${Waiting} of=${roles} />
    ${role && html`<div class="role-page"><nav class="sheet" aria-label="Roles"><ul class="lines">${all.map((one) => html`<li key=${one.id}><a class="pick" href=${`?role=${one.id}`} aria-current=${one === role ? "true" : undefined}><b>${one.name}</b><span class="small quiet">${many(one.people, "person", "people")}, rank ${one.rank}</span></a></li>`)}</ul></nav>
      <div class="stack">
        <${Section} title=${role.name} id="role">${role.description && html`<p>${role.description}</p>`}<p class="quiet small">${role.is_built_in ? "Built in" : "Made here"}, rank ${role.rank}.${isBelow ? "" : " It is not below your own, so you can only look."}</p>
          ${isBelow && !role.is_built_in && may("role:update") && html`<${About} key=${role.id} role=${role} />`}
          <${Waiting} of=${permissions} />${permissions.data.value && html`<${Matrix} key=${`${role.id} ${role.updated_at}`} role=${role} mayChange=${isBelow && may("role:update")} />`}<//>
        ${may("role:create") && html`<${Creating} />`}
      </div></div>`}`;
}

drawFor(Roles, "role:read");
