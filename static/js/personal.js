/** Pages of what is somebody's own: drawn once it is known who asks, and only for whom they are. */

import { useEffect, useRef } from "preact/hooks";
import { effect, signal } from "@preact/signals";
import { ask, person } from "./account.js";
import { asRefusal } from "./fields.js";
import { draw, html, may } from "./page.js";

/** Draw a page for whoever is logged in and has the permission, if one is needed. */
export function drawFor(Content, permission) {
  draw(() => {
    if (!person.value) return html`<p>Log in to see this page.</p><p><a class="button main" href=${`/login?next=${encodeURIComponent(location.pathname + location.search)}`}>Log in</a></p>`;
    if (permission && !may(permission)) return html`<p class="refusal">Your role does not let you see this page.</p><p><a class="button" href="/">Find something</a></p>`;
    return html`<${Content} key=${person.value.id} />`;
  }, "content");
}

/** Something asked of the hub as signals: { data, refusal, load() }; asked again by `load`, and when `address` says so. */
export function asked(address) {
  const found = { data: signal(null), refusal: signal(null) };
  let whose = person.peek()?.id;
  // What one person was told, the next one at the same page must not see.
  effect(() => {
    if (person.value?.id === whose) return;
    whose = person.value?.id;
    found.data.value = found.refusal.value = null;
  });
  found.load = async () => {
    try {
      found.data.value = await ask("GET", typeof address === "function" ? address() : address);
      found.refusal.value = null;
    } catch (thrown) {
      found.refusal.value = asRefusal(thrown);
    }
  };
  return found;
}

/** Ask for several things at once; answers whether each is there, or why it is not, so that they appear together. */
export function useTogether(...several) {
  useEffect(() => {
    for (const one of several) if (!one.data.value) one.load();
  }, []);
  return several.every((one) => one.data.value || one.refusal.value);
}

export const OnItsWay = () => html`<p class="quiet" role="status">On its way.</p>`;

/** What stands in place of something asked until it is there: a word, or why it is not. */
export function Waiting({ of }) {
  useTogether(of);
  if (of.refusal.value) return html`<div class="refusal" role="alert"><p>${of.refusal.value.message}</p><div class="row"><button type="button" class="button" onClick=${of.load}>Try again</button></div></div>`;
  return of.data.value ? null : html`<${OnItsWay} />`;
}

/** A part of a page; whoever follows a link to it is led there, although it was not there yet as the page came. */
export function Section({ title, id, children }) {
  const heading = useRef(null);
  useEffect(() => {
    if (location.hash === `#${id}`) heading.current.focus();
  }, []);
  return html`<section class="sheet" aria-labelledby=${id}><h2 ref=${heading} id=${id} tabindex="-1">${title}</h2>${children}</section>`;
}
