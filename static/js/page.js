/** What every page has: the frame's corner, the hub's time, and drawing into a place that was drawn by the server. */

import { render, h } from "preact";
import htm from "htm";
import { computed, effect, signal } from "@preact/signals";
import { logOut, meet, person } from "./account.js";
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
  return html`<span class="name" title=${person.value.email}>${person.value.full_name}</span>
    <button type="button" class="button bare" onClick=${logOut}>Log out</button>`;
}

setInterval(() => (now.value = serverTime()), 1_000);
now.value = serverTime();
draw(Connection, "connection");
draw(Age, "age");
draw(LogInDialog, "over");
meet().finally(() => draw(Person, "person"));
