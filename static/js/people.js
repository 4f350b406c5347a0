/** What the pages of the administration share about people: their state, their roles, and who may grant which. */

import { person } from "./account.js";
import { Checkbox } from "./fields.js";
import { html } from "./page.js";

/** The highest rank among one's own roles: what is granted must stand below it. */
export function ownRank(all) {
  return Math.max(0, ...all.filter((role) => person.value.roles.includes(role.code)).map((role) => role.rank));
}

export const Status = ({ of }) => html`<span class="state" data-state=${of.status === "active" ? "confirmed" : "pending"}>${of.status}</span>`;

export const roleNames = (codes) => codes.map((code) => code.replaceAll("_", " ")).join(", ");

/** Roles as boxes to tick; those at or above one's own rank cannot be given. */
export function RoleBoxes({ all, chosen }) {
  const rank = ownRank(all);
  return html`<fieldset><legend>Roles</legend>${all.map((role) => html`<${Checkbox} key=${role.code} name=${`role.${role.code}`} label=${`${role.name}${role.description ? `: ${role.description}` : ""}`} defaultChecked=${chosen.includes(role.code)} disabled=${role.rank >= rank} />`)}</fieldset>`;
}

export const chosenRoles = (form) => [...form.elements].filter((field) => field.name?.startsWith("role.") && field.checked).map((field) => field.name.slice("role.".length));
