/** The staff of a venue: who works there, who is invited, and what each may do. */

import { ask, person } from "./account.js";
import { Choice, Field, Form, Sentence, Sure, useAct } from "./fields.js";
import { data, html, now } from "./page.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { valuesOf } from "./typed.js";
import { ago } from "./words.js";

const ROLES = [["desk", "desk: bookings and check-in"], ["manager", "manager: the inventory too"]];
const WORDS = { owner: "owner", manager: "manager", desk: "desk" };

const path = `/venues/${data.venue_id}/staff`;
const staff = asked(`${path}?per_page=100`);
const invitations = asked(`${path}/invitations?per_page=100`);

function Colleague({ one }) {
  const { busy, refusal, run } = useAct();
  const isMe = one.user_id === person.value.id;
  const set = (role) => run(() => ask("PATCH", `${path}/${one.user_id}`, { role })).then(staff.load);
  const remove = async () => {
    if (!(await run(() => ask("DELETE", `${path}/${one.user_id}`)))) return;
    if (isMe) location.assign("/dashboard");
    else await staff.load();
  };
  return html`<li data-person=${one.user_id}><div><b>${one.full_name}</b>${isMe && html` <span class="quiet">(you)</span>`}<p class="small quiet">${one.email}${one.role === "owner" ? "" : ` · since ${ago(one.since, now.value)}`}</p></div>
    ${one.role === "owner" ? html`<span class="state" data-state="confirmed">owner</span>` : html`<div class="row">
      <select aria-label=${`What ${one.full_name} does`} disabled=${busy} onChange=${({ target }) => set(target.value).then(() => (target.value = staff.data.value.items.find(({ user_id: id }) => id === one.user_id)?.role ?? one.role))}>${ROLES.map(([role]) => html`<option value=${role} selected=${role === one.role}>${WORDS[role]}</option>`)}</select>
      <${Sure} word=${isMe ? "Leave" : "Remove"} question=${isMe ? "Work here no longer?" : `${one.full_name} works here no longer?`} sure=${isMe ? "Leave" : "Remove"} aria-label=${`${isMe ? "Leave" : "Remove"} ${one.full_name}`} busy=${busy} onSure=${remove} /></div>`}
    <${Sentence} refusal=${refusal} /></li>`;
}

function Waits({ one }) {
  const { busy, refusal, run } = useAct();
  const withdraw = () => run(() => ask("DELETE", `${path}/invitations/${one.id}`)).then(invitations.load);
  return html`<li data-invitation=${one.id}><div><b>${one.email}</b><p class="small quiet">${WORDS[one.role]} · invited by ${one.invited_by}, ends ${ago(one.expires_at, now.value)}</p></div>
    <button type="button" class="button" disabled=${busy} aria-label=${`Withdraw the invitation of ${one.email}`} onClick=${withdraw}>Withdraw</button><${Sentence} refusal=${refusal} /></li>`;
}

function Inviting() {
  const send = async (form) => {
    const { email } = await ask("POST", `${path}/invitations`, valuesOf(form));
    form.reset();
    invitations.load();
    return `An invitation is on its way to ${email}.`;
  };
  return html`<${Form} name=${`invite.${data.venue_id}`} submit="Invite" label="Invite somebody" send=${send}>${(refusal) => html`
    <${Field} label="E-mail" name="email" type="email" autocomplete="off" maxlength="254" refusal=${refusal} required />
    <${Choice} label="As" name="role" options=${ROLES} chosen="desk" refusal=${refusal} />`}<//>`;
}

function Staff() {
  if (!useTogether(staff, invitations)) return html`<${OnItsWay} />`;
  const waiting = invitations.data.value?.items ?? [];
  return html`<div class="columns"><div class="stack">
      <${Section} title="Who works here" id="staff"><${Waiting} of=${staff} /><ul class="lines">${(staff.data.value?.items ?? []).map((one) => html`<${Colleague} key=${one.user_id} one=${one} />`)}</ul><//>
    </div>${staff.data.value && html`<div class="stack">
      <${Section} title="Invite somebody" id="invite"><p class="quiet small">They get a mail, and work here once they have accepted it with an account of that address.</p><${Inviting} /><//>
      <${Section} title="Invited" id="invited"><${Waiting} of=${invitations} />${invitations.data.value && !waiting.length && html`<p class="quiet">No invitation waits for an answer.</p>`}<ul class="lines">${waiting.map((one) => html`<${Waits} key=${one.id} one=${one} />`)}</ul><//>
    </div>`}</div>`;
}

drawFor(Staff);
