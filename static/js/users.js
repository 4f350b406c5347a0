/** People, as those see them who administer accounts: found, listed, and given accounts. */

import { ask } from "./account.js";
import { Choice, Field, Form, everything } from "./fields.js";
import { data, html, may, now } from "./page.js";
import { Pages, filters } from "./paging.js";
import { RoleBoxes, Status, chosenRoles, roleNames } from "./people.js";
import { Waiting, asked, drawFor } from "./personal.js";
import { Face } from "./picture.js";
import { ago } from "./words.js";

const people = asked(() => `/users?${filters()}`);
const roles = asked("/roles?per_page=100");

function Creating() {
  const send = async (form) => {
    const { full_name, email, phone, language } = everything(form);
    const made = await ask("POST", "/users", { full_name, email, language, ...(phone && { phone }), roles: chosenRoles(form) });
    location.assign(`/admin/users/${made.id}`);
  };
  return html`<details class="sheet"><summary>New account</summary>
    <p class="small quiet">They get a mail, and choose their password themselves.</p>
    <${Waiting} of=${roles} />
    ${roles.data.value && html`<${Form} name="users.new" submit="Open the account" label="New account" send=${send}>${(refusal) => html`<div class="pairs">
      <${Field} label="Name" name="full_name" maxlength="200" autocomplete="off" refusal=${refusal} required />
      <${Field} label="E-mail" name="email" type="email" maxlength="254" autocomplete="off" refusal=${refusal} required />
      <${Field} label="Telephone, if known" name="phone" type="tel" maxlength="40" autocomplete="off" refusal=${refusal} />
      <${Choice} label="Language" name="language" options=${data.languages} chosen="en" refusal=${refusal} /></div>
      <${RoleBoxes} all=${roles.data.value.items} chosen=${["customer"]} />`}<//>`}
  </details>`;
}

function People() {
  const found = people.data.value;
  return html`<${Waiting} of=${people} />
    ${found && html`<h2 class="only-read">Found</h2>
      <ul class="lines sheet people">${found.items.map((one) => html`<li key=${one.id} data-person=${one.id}>
        <${Face} of=${one} size=${40} />
        <div><a href=${`/admin/users/${one.id}`}><b>${one.full_name}</b></a><p class="small quiet">${one.email}${one.phone ? ` · ${one.phone}` : ""}</p></div>
        <p class="small">${roleNames(one.roles)}</p>
        <p class="small quiet">${one.last_seen_at ? `seen ${ago(one.last_seen_at, now.value)}` : "never seen"}</p>
        <${Status} of=${one} />
      </li>`)}${!found.items.length && html`<li>Nobody matches.</li>`}</ul>
      <${Pages} meta=${found.meta} one="person" more="people" />`}
    ${(found || people.refusal.value) && may("user:create") && html`<${Creating} />`}`;
}

drawFor(People, "user:read");
