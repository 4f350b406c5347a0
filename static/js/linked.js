/** Accounts at Google and Facebook that open one's account here: linked after a proof, and let go. */

import { ask, linkAt } from "./account.js";
import { Form, Sentence, useAct } from "./fields.js";
import { data, html, now } from "./page.js";
import { Waiting, asked } from "./personal.js";
import { valuesOf } from "./typed.js";
import { ago } from "./words.js";

export const identities = asked("/me/identities");

export function Linked({ Proof }) {
  const { busy, refusal, run } = useAct();
  const found = identities.data.value;
  const unlink = (provider) => run(() => ask("DELETE", `/me/identities/${provider}`)).then(identities.load);
  const link = (provider) => async (form) => location.assign(await linkAt(provider, valuesOf(form)));
  const free = data.providers.filter(({ provider }) => !found?.items.some((one) => one.provider === provider));
  const titleOf = (name) => data.providers.find(({ provider }) => provider === name)?.title ?? name;
  return html`<${Waiting} of=${identities} />
    ${found && html`<ul class="lines">${found.items.map((one) => html`<li key=${one.provider}>
        <div><b>${titleOf(one.provider)}</b><p class="small quiet">${one.email ? `${one.email} · ` : ""}linked ${ago(one.linked_at, now.value)}</p></div>
        <button type="button" class="button" disabled=${busy} aria-label=${`Unlink ${titleOf(one.provider)}`} onClick=${() => unlink(one.provider)}>Unlink</button></li>`)}</ul>
      ${!found.items.length && html`<p class="quiet">${free.length ? "None is linked." : "This hub offers none."}</p>`}
      <${Sentence} refusal=${refusal} />
      ${free.map(({ provider, title }) => html`<details key=${provider}><summary>Link ${title}</summary>
        <${Form} name=${`link.${provider}`} submit=${`Go to ${title}`} label=${`Link ${title}`} main=${false} send=${link(provider)}>${(refused) => html`${found.has_password ? html`<${Proof} refusal=${refused} />` : html`<p class="small quiet">You have no password, so this works within ten minutes after logging in.</p>`}`}<//></details>`)}`}`;
}
