/** One's own account: who one is, what one is told, and what the hub has kept. */

import { ask, nowIs, person } from "./account.js";
import { Checkbox, Choice, Field, Form, everything } from "./fields.js";
import { MyData } from "./my-data.js";
import { data, html } from "./page.js";
import { Section, drawFor } from "./personal.js";
import { Picture } from "./picture.js";
import { number } from "./words.js";

const names = new Intl.DisplayNames(["en"], { type: "currency" });
const CURRENCIES = data.currencies.map((code) => [code, `${code}, ${names.of(code)}`]);

async function save(values) {
  nowIs(await ask("PATCH", "/me", values));
}

function Profile() {
  const me = person.value;
  const text = (label, name, refusal, more = {}) => html`<${Field} label=${label} name=${name} refusal=${refusal} defaultValue=${me[name] ?? ""} maxlength="200" ...${more} />`;
  const leads = me.roles.includes("facilitator") || me.bio || me.specialisation;
  return html`<${Form} name="profile" submit="Save" done="Saved." label="Profile" send=${(form) => save(everything(form))}>${(refusal) => html`
    <div class="pairs">
      ${text("Name", "full_name", refusal, { autocomplete: "name", required: true, wide: true })}
      ${text("First name", "first_name", refusal, { autocomplete: "given-name" })}
      ${text("Last name", "last_name", refusal, { autocomplete: "family-name" })}
      ${text("Telephone", "phone", refusal, { type: "tel", autocomplete: "tel", maxlength: 40 })}
      ${text("Birth date", "birth_date", refusal, { type: "date", autocomplete: "bday" })}
      ${text("Gender", "gender", refusal, { autocomplete: "sex" })}
      <${Choice} label="Language" name="language" refusal=${refusal} options=${data.languages} chosen=${me.language} />
      <${Choice} label="Currency" name="currency" refusal=${refusal} options=${CURRENCIES} chosen=${me.currency} />
      ${leads && html`${text("What you lead", "specialisation", refusal, { wide: true })}
        <${Field} kind="textarea" wide label="About you" name="bio" refusal=${refusal} maxlength="5000" defaultValue=${me.bio ?? ""} hint="Guests read this beside your sessions." />`}
    </div>`}<//>`;
}

function Standing() {
  const me = person.value;
  const verified = (isVerified, channel) => (isVerified ? html`<span class="state" data-state="confirmed">verified</span>` : html`<a class="button" href=${`/verify?channel=${channel}&next=/account`}>Verify</a>`);
  return html`<dl class="facts">
    <div><dt>E-mail</dt><dd class="row"><span>${me.email}</span>${verified(me.email_verified, "email")}</dd></div>
    ${me.phone && html`<div><dt>Telephone</dt><dd class="row"><span>${me.phone}</span>${verified(me.phone_verified, "phone")}</dd></div>`}
    <div><dt>Role</dt><dd>${me.roles.map((role) => role.replaceAll("_", " ")).join(", ")}</dd></div>
    <div><dt>Loyalty points</dt><dd class="number">${number(me.loyalty_points)}</dd></div>
    <div><dt>Student</dt><dd>${me.is_student ? "yes, with student prices" : "no"}</dd></div>
  </dl>`;
}

function Choices() {
  const chosen = person.value.notification_choices;
  const send = (form) => save({ notification_choices: { ...chosen, ...everything(form) } });
  // What has happened is named with a dot, how one is told of it is not.
  const boxes = (wanted) => data.choices.filter(([name]) => name.includes(".") === wanted).map(([name, words, unsaid]) => html`<${Checkbox} key=${name} name=${name} label=${words} defaultChecked=${chosen[name] ?? unsaid} />`);
  return html`<${Form} name="choices" submit="Save" done="Saved." label="Notifications" send=${send}>${() => html`
    <fieldset><legend>Tell me</legend>${boxes(false)}</fieldset><fieldset><legend>when</legend>${boxes(true)}</fieldset>
    <p class="small quiet">What concerns your log-in, such as codes and new passwords, always comes.</p>`}<//>`;
}

function Account() {
  return html`<div class="columns"><div class="stack">
      <${Section} title="Profile" id="profile"><${Profile} /><//>
      <${Section} title="Notifications" id="notifications"><${Choices} /><//>
    </div><div class="stack">
      <${Section} title="Picture" id="picture"><${Picture} /><//>
      <${Section} title="Standing" id="standing"><${Standing} /><//>
      <${Section} title="Your data" id="data"><${MyData} /><//>
    </div></div>`;
}

drawFor(Account);
