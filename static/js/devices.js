/** The devices on which one is logged in, each with a way to end it. */

import { ask, person } from "./account.js";
import { Sentence, Sure, useAct } from "./fields.js";
import { html, now } from "./page.js";
import { Waiting } from "./personal.js";
import { ago, dateTime } from "./words.js";

const BROWSERS = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrome\//, "Chrome"], [/Safari\//, "Safari"]];
const SYSTEMS = [[/iPhone|iPad/, "iOS"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/Linux/, "Linux"]];

/** "Firefox on Windows", as far as what a browser says of itself can be believed. */
export function deviceName(said) {
  const find = (names) => names.find(([pattern]) => pattern.test(said))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (said.slice(0, 60) || "Unknown device");
}

export function Devices({ list }) {
  const { busy, refusal, run } = useAct();
  const end = (path, method) => run(() => ask(method, path)).then(list.load);
  const found = list.data.value?.items ?? [];
  return html`<${Waiting} of=${list} />
    <ul class="lines">${found.map((login) => html`<li key=${login.id} data-login=${login.id}>
      <div><b>${deviceName(login.device)}</b>${login.is_current && html` <span class="state" data-state="confirmed">this one</span>`}
        <p class="small quiet">${login.address ? `${login.address} · ` : ""}used ${ago(login.last_used_at, now.value)} · since ${dateTime(login.created_at)}</p></div>
      ${!login.is_current && html`<button type="button" class="button" disabled=${busy} aria-label=${`Log out ${deviceName(login.device)}, ${login.address}`} onClick=${() => end(`/me/logins/${login.id}`, "DELETE")}>Log out</button>`}
    </li>`)}</ul>
    <${Sentence} refusal=${refusal} />
    <div class="row"><${Sure} word="Log out everywhere" question="Here too?" sure="Log out everywhere" busy=${busy} onSure=${() => run(async () => {
      await ask("POST", "/auth/logout-everywhere", {});
      person.value = null;
      location.assign("/login");
    })} /></div>`;
}
