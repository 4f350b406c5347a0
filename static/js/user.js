/** One person, as those see them who administer accounts, with what can be done about their account. */

import { actAs, ask, person } from "./account.js";
import { Checkbox, Choice, Field, Form, Sentence, Sure, everything, useAct } from "./fields.js";
import { data, html, may, now } from "./page.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { Face } from "./picture.js";
import { RoleBoxes, Status, chosenRoles, ownRank, roleNames } from "./people.js";
import { UserWallet } from "./user-wallet.js";
import { ago, dateTime } from "./words.js";

const path = `/users/${data.user_id}`;
const found = asked(path);
const roles = asked("/roles?per_page=100");
const wallet = asked(`/wallet?user_id=${data.user_id}`);
const take = (answer) => void (found.data.value = answer);

function Facts({ of }) {
  const row = (name, value) => value && html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
    ${row("E-mail", html`${of.email} <span class="quiet small">${of.email_verified ? "verified" : "not verified"}</span>`)}
    ${row("Telephone", of.phone && html`${of.phone} <span class="quiet small">${of.phone_verified ? "verified" : "not verified"}</span>`)}
    ${row("Roles", roleNames(of.roles))}
    ${row("Since", dateTime(of.created_at))}
    ${row("Seen", of.last_seen_at ? ago(of.last_seen_at, now.value) : "never")}
    ${row("Suspended", of.suspended_at && `${dateTime(of.suspended_at)}: ${of.suspension_reason}`)}
  </dl>`;
}

function Profile({ of }) {
  const send = async (form) => take(await ask("PATCH", path, everything(form)));
  const text = (label, name, refusal, more = {}) => html`<${Field} label=${label} name=${name} refusal=${refusal} defaultValue=${of[name] ?? ""} maxlength="200" autocomplete="off" ...${more} />`;
  return html`<${Form} name=${`user.${of.id}`} submit="Save" done="Saved." label="Profile" send=${send}>${(refusal) => html`<div class="pairs">
    ${text("Name", "full_name", refusal, { wide: true, required: true })}${text("First name", "first_name", refusal)}${text("Last name", "last_name", refusal)}
    ${text("Telephone", "phone", refusal, { type: "tel", maxlength: 40 })}
    <${Choice} label="Language" name="language" options=${data.languages} chosen=${of.language} refusal=${refusal} /></div>
    <${Checkbox} name="is_student" label="Student, with student prices" defaultChecked=${of.is_student} />`}<//>`;
}

function Roles({ of }) {
  const send = async (form) => take(await ask("PUT", `${path}/roles`, { roles: chosenRoles(form) }));
  return html`<${Form} name=${`user.${of.id}.roles`} submit="Set the roles" done="Set; it holds at once." label="Roles" send=${send}>${() => html`<${RoleBoxes} all=${roles.data.value.items} chosen=${of.roles} />`}<//>`;
}

function Suspending({ of }) {
  const { busy, refusal, run } = useAct();
  if (of.status === "suspended") {
    return html`<p>Suspended ${ago(of.suspended_at, now.value)}: ${of.suspension_reason}</p>
      <div class="row"><button type="button" class="button main" disabled=${busy} onClick=${() => run(async () => take(await ask("POST", `${path}/reinstate`, {})))}>Reinstate</button></div><${Sentence} refusal=${refusal} />`;
  }
  const send = async (form) => take(await ask("POST", `${path}/suspend`, everything(form)));
  return html`<${Form} name=${`user.${of.id}.suspend`} submit="Suspend" label="Suspend" main=${false} send=${send}>${(refused) => html`
    <p class="small quiet">They are logged out everywhere at once, and told why by mail.</p><${Field} label="Reason" name="reason" maxlength="200" refusal=${refused} required />`}<//>`;
}

function Others({ of }) {
  const { busy, refusal, run } = useAct();
  const act = () => run(async () => {
    await actAs(of.id);
    location.assign("/");
  });
  const remove = () => run(async () => {
    await ask("DELETE", path);
    location.assign("/admin/users");
  });
  return html`<div class="row">
      ${may("role:execute") && of.status === "active" && html`<button type="button" class="button" disabled=${busy} onClick=${act}>Act as ${of.full_name}</button>`}
      ${may("audit:read") && html`<a class="button" href=${`/admin/audit?actor_id=${of.id}`}>What they did</a><a class="button" href=${`/admin/audit?entity=user&entity_id=${of.id}`}>What was changed about them</a>`}
      ${may("user:delete") && html`<${Sure} word="Erase" question="Bookings stay in the books, the person goes for good." sure="Erase" busy=${busy} onSure=${remove} />`}
    </div><${Sentence} refusal=${refusal} />`;
}

function Person() {
  const isReady = useTogether(found, ...(may("role:read") ? [roles] : []), ...(may("payment:read") ? [wallet] : []));
  const of = found.data.value;
  if (!isReady) return html`<${OnItsWay} />`;
  if (!of) return html`<${Waiting} of=${found} />`;
  const isMe = of.id === person.value.id;
  const isBelow = !roles.data.value || of.rank < ownRank(roles.data.value.items);
  const mayChange = may("user:update") && !isMe && isBelow;
  return html`<div class="row who"><${Face} of=${of} size=${64} /><div><h2>${of.full_name}</h2><${Status} of=${of} /></div></div>
    ${isMe && html`<p class="quiet">This is you. <a href="/account">Your own account</a></p>`}
    ${!isMe && !isBelow && html`<p class="quiet">They stand at your own rank or above, so you can only look.</p>`}
    <div class="columns"><div class="stack">
      <${Section} title="Account" id="about"><${Facts} of=${of} /><//>
      ${may("payment:read") && html`<${Section} title="Wallet" id="wallet"><${UserWallet} wallet=${wallet} /><//>`}
      ${mayChange && html`<${Section} title="Profile" id="profile"><${Profile} key=${of.id} of=${of} /><//>`}
    </div><div class="stack">
      ${mayChange && html`<${Section} title=${of.status === "suspended" ? "Suspended" : "Suspend"} id="suspend"><${Suspending} of=${of} /><//>`}
      ${mayChange && roles.data.value && html`<${Section} title="Roles" id="roles"><${Roles} of=${of} /><//>`}
      ${!isMe && isBelow && html`<${Section} title="More" id="more"><${Others} of=${of} /><//>`}
    </div></div>`;
}

drawFor(Person, "user:read");
