/** The shapes of the three states, the same on every page: cells, dots, bars, rings and their words. */

import { html, now } from "./page.js";
import { clock, many, time } from "./words.js";

const MEANINGS = { free: "free, with its price or count", held: "held, may return", taken: "taken", yours: "yours" };

/** What the shapes mean; the server draws the same. */
export function Legend({ only = Object.keys(MEANINGS) }) {
  return html`<ul class="legend" aria-label="What the cells mean">${only.map((state) => html`<li key=${state}><span class="cell mark" data-state=${state} aria-hidden="true">${state === "yours" && html`<span class="tick">✓</span>`}</span>${MEANINGS[state]}</li>`)}</ul>`;
}

/** A thin ring that runs down with a hold's clock. */
export function Ring({ until, full }) {
  const left = Math.max(0, Math.min(1, (until - now.value) / full));
  return html`<span class="ring" aria-hidden="true" style=${{ "--left": left.toFixed(3) }}></span>`;
}

/** What a held cell says: that it is held, and until when. */
export function Held({ until, full, zone }) {
  if (!until) return html`<span class="word">held</span>`;
  return html`<span class="word"><${Ring} until=${until} full=${full} />held</span>
    <small class="word" title=${`may return at ${time(until, zone)}`}>${clock(Math.min(until - now.value, full))}<span class="only-read"> left, may return at ${time(until, zone)}</span></small>`;
}

export function Dots({ free, held, total, yours = 0 }) {
  if (total > 12) return html`<${Bar} taken=${total - free - held} held=${held} total=${total} yours=${yours} />`;
  const taken = total - free - held;
  const states = Array.from({ length: total }, (_, n) => (n < yours ? "yours" : n < taken ? "taken" : n < taken + held ? "held" : "free"));
  return html`<span class="dots" aria-hidden="true">${states.map((state) => html`<i data-state=${state}></i>`)}</span>`;
}

export function Bar({ taken, held = 0, yours = 0, total }) {
  const share = (count) => (total ? (100 * count) / total : 0);
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
    <rect class="taken" width=${share(taken)} height="10" /><rect class="held" x=${share(taken)} width=${share(held)} height="10" />
    <rect class="yours" width=${share(yours)} height="10" />
  </svg>`;
}

export function PlacesWords({ free, held, until, zone, full }) {
  const left = free ? `${many(free, "place")} left` : held ? "all held or taken" : "sold out";
  return html`<span class="number">${left}</span>
    ${held > 0 && html` <span class="number quiet">${held} held${until ? html`, back by ${time(until, zone)} <${Ring} until=${until} full=${full} />` : ""}</span>`}`;
}

/** A count that is stepped up and down. */
export function Stepper({ label, value, least, most, onChange, isBare = false }) {
  return html`<span class="stepper" role="group" aria-label=${label}>
    <button type="button" class="button" aria-label=${`Fewer ${label}`} disabled=${value <= least} onClick=${() => onChange(value - 1)}>−</button>
    <output>${value}<span class=${isBare ? "only-read" : "unit"}> ${value === 1 ? label.replace(/s$/, "") : label}</span></output>
    <button type="button" class="button" aria-label=${`More ${label}`} disabled=${value >= most} onClick=${() => onChange(value + 1)}>+</button>
  </span>`;
}

/** Why the hub said no, in one sentence, with what can be had instead as buttons. */
export function Refused({ refusal, onPick, label, children }) {
  if (!refusal) return null;
  const { reasons = [], alternatives = [] } = refusal.problem ?? {};
  const sentences = [...new Set(reasons.map((reason) => reason.sentence))];
  return html`<div class="refusal" role="alert">
    <p>${sentences.join(" ") || refusal.message}</p>
    ${(alternatives.length > 0 || children) &&
    html`<div class="row">${alternatives.map((one) => html`<button type="button" class="button" onClick=${() => onPick(one)}>${label(one)}</button>`)}${children}</div>`}
  </div>`;
}
