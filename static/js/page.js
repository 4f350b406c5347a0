/** What every page has: the frame's corner, the hub's time, and drawing into a place that was drawn by the server. */

import { render, h } from "preact";
import htm from "htm";
import { computed, effect, signal } from "@preact/signals";
import { actAsMyself, isActing, logOut, meet, needsSecondFactor, person } from "./account.js";
import { behind, link, paused, serverTime, lostAt } from "./following.js";
import { LogInDialog } from "./log-in.js";
import { dateTime, many, useDigits } from "./words.js";

export const html = htm.bind(h);

/** The hub's time in milliseconds, once a second. */
export const now = signal(Date.now());

/** What the server put into the page for its scripts. */
export const data = JSON.parse(document.getElementById("page-data").textContent);

useDigits(data.digits);

/** Draw into an element in place of what the server drew there; nothing moves when both are the same. */
export function draw(component, into) {
  const place = typeof into === "string" ? document.getElementById(into) : into;
  if (!place) return;
  let first = true;
  effect(() => {
    if (person.value === undefined && place.querySelector("[data-waiting]")) return;
    if (!first) return;
    first = false;
    place.replaceChildren();
    render(h(component), place);
  });
}

const words = {
  live: () => "live",
  "catching up": () => (behind.value ? `catching up, ${many(behind.value, "event")}` : "catching up"),
  paused: () => (behind.value ? `paused, ${behind.value} new` : "paused"),
  offline: () => "offline",
};

const state = computed(() => (link.value === "live" && paused.value ? "paused" : link.value));

function Connection() {
  const title = paused.value ? "Go on with updates" : "Pause updates";
  return html`<button type="button" class="connection" data-state=${state.value} aria-pressed=${paused.value} title=${title} onClick=${() => (paused.value = !paused.value)}>
    <i></i>${words[state.value]()}<span class="only-read">. ${title}</span>
  </button>`;
}

function Age() {
  if (link.value !== "offline" || !lostAt.value) return null;
  return html`<p class="age" role="status">The connection is lost. What you see is from ${dateTime(lostAt.value)}; it is brought up to date by itself.</p>`;
}

function Person() {
  if (!person.value) return html`<a class="button bare" href=${`/login?next=${encodeURIComponent(location.pathname + location.search)}`}>Log in</a>`;
  return html`<a class="name" href="/account" title=${`${person.value.full_name}, your account`} aria-label=${`${person.value.full_name}, your account`}><svg viewBox="0 0 24 24" class="icon" aria-hidden="true"><circle cx="12" cy="8" r="4" /><path d="M4 21a8 8 0 0 1 16 0" /></svg><span>${person.value.full_name}</span></a>
    <button type="button" class="button bare" onClick=${logOut}>Log out</button>`;
}

const ADMIN_PAGES = [["user:read", "/admin/users"], ["role:read", "/admin/roles"], ["payment:read", "/admin/operations"], ["audit:read", "/admin/audit"]];

/** Whether a role of this person carries a permission, or manages its resource. */
export function may(permission) {
  const granted = person.value?.permissions ?? [];
  return granted.includes(permission) || granted.includes(`${permission.split(":")[0]}:manage`);
}

function MorePages() {
  const first = ADMIN_PAGES.find(([permission]) => may(permission));
  return first ? html`<a href=${first[1]} aria-current=${location.pathname.startsWith("/admin") ? "page" : undefined}>Admin</a>` : null;
}

function Banner() {
  if (isActing.value && person.value) {
    const end = () => actAsMyself().then(() => location.assign("/admin/users"), () => location.reload());
    return html`<div class="banner" role="region" aria-label="Acting as somebody else"><p>You act as <b>${person.value.full_name}</b>. Everything you do is written down under your own name.</p>
      <button type="button" class="button" onClick=${end}>Be yourself again</button></div>`;
  }
  if (needsSecondFactor.value && location.pathname !== "/account/security") {
    return html`<div class="banner" role="region" aria-label="Second factor"><p>Your role needs a second factor to log in with.</p><a class="button" href="/account/security#second-factor">Set it up</a></div>`;
  }
  return null;
}

setInterval(() => (now.value = serverTime()), 1_000);
now.value = serverTime();
draw(Connection, "connection");
draw(Age, "age");
draw(Banner, "banner");
draw(MorePages, "more-pages");
draw(LogInDialog, "over");
meet().finally(() => draw(Person, "person"));
