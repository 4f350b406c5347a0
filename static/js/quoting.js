/** What is chosen as the hub prices it, with what is named beside it: a code, points, a student's discount, add-ons. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { askAsAnybody, person } from "./account.js";
import { Stepper } from "./cells.js";
import { Checkbox, asRefusal } from "./fields.js";
import { serverTime } from "./following.js";
import { Lines } from "./lines.js";
import { data, html } from "./page.js";
import { asked } from "./personal.js";
import { keep, kept } from "./typed.js";
import { money, number } from "./words.js";

const SOON = 250;
// So long before its end a quote is renewed.
const BEFORE = 10_000;
const MOST = 99;
const NONE = { offer: "", points: false, as_student: false, addons: {} };
const PER = { booking: "", guest: " for each guest", night: " a night", hour: " an hour" };
const name = `wishes.${data.venue_id}`;

export const wishes = signal({ ...NONE, ...kept(name) });
const points = asked("/points");
const offers = asked(`/offers?venue_id=${data.venue_id}&can_be_used=true&per_page=20`);
const addons = asked(`/addons?venue_id=${data.venue_id}&is_active=true&per_page=100`);

function wish(fields) {
  wishes.value = { ...wishes.value, ...fields };
  keep(name, wishes.value);
}

// Counts the quotes that turned out to be over: what was asked for then is asked for again.
const stale = signal(0);

/** A quote that is over, or whose prices are others by now, is asked for anew. */
export function quoteAgain() {
  stale.value += 1;
}

/** What was wished for is held: the next basket begins without it. */
export function forgetWishes() {
  wishes.value = NONE;
  keep(name, null);
}

/** These items with everything wished for beside them, as it is asked for. */
export function basketOf(items) {
  const { offer, points: useThem, as_student: asStudent, addons: wanted } = wishes.value;
  const more = Object.entries(wanted).filter(([, quantity]) => quantity > 0).map(([id, quantity]) => ({ kind: "addon", addon_id: Number(id), quantity }));
  return {
    items: [...items, ...more],
    ...(offer && { offer }),
    ...(useThem && person.value && points.data.value?.points && { points: points.data.value.points }),
    ...(asStudent && person.value && { as_student: true }),
  };
}

/** What some items come to: { quote, refusal }, asked for anew as they or the wishes change; none while it is asked. */
export function useQuote(items) {
  const [found, setFound] = useState({ of: "", quote: null, refusal: null });
  const turn = useRef(0);
  const of = items.length ? JSON.stringify(basketOf(items)) : "";
  useEffect(() => {
    const mine = ++turn.current;
    if (!of) return undefined;
    let over = null;
    const take = (answer) => {
      if (mine !== turn.current) return;
      setFound({ of, quote: null, refusal: null, ...answer });
      if (answer.quote) over = setTimeout(quoteAgain, Math.max(SOON, Date.parse(answer.quote.expires_at) - serverTime() - BEFORE));
    };
    const later = setTimeout(() => askAsAnybody("POST", "/quotes", JSON.parse(of)).then((quote) => take({ quote }), (thrown) => take({ refusal: asRefusal(thrown) })), SOON);
    return () => {
      clearTimeout(later);
      clearTimeout(over);
    };
  }, [of, person.value?.id, stale.value]);
  return { ...found, isCurrent: found.of === of };
}

function Code({ refusal }) {
  const input = useRef(null);
  const { offer } = wishes.value;
  const listed = (offers.data.value?.items ?? []).filter((one) => one.is_public && one.is_active);
  const apply = () => wish({ offer: input.current.value.trim() });
  const use = (code) => {
    input.current.value = code.toLowerCase() === offer.toLowerCase() ? "" : code;
    apply();
  };
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    apply();
  };
  return html`<div class="field"><label for="offer-code">Code of an offer</label><div class="row"><input ref=${input} id="offer-code" name="offer" maxlength="40" autocomplete="off" spellcheck=${false} defaultValue=${offer} aria-invalid=${refusal ? "true" : undefined} aria-describedby=${refusal ? "offer-wrong" : undefined} onKeyDown=${onKeyDown} />
    <button type="button" class="button" onClick=${apply}>Use it</button></div>
    ${listed.length > 0 && html`<div class="row">${listed.map((one) => html`<button type="button" class="button" key=${one.id} aria-pressed=${one.code.toLowerCase() === offer.toLowerCase()} onClick=${() => use(one.code)}>${one.code}: ${one.amount === null ? `${number(one.basis_points / 100)} %` : money(one.amount, one.currency)} off</button>`)}</div>`}
    ${refusal && html`<span class="wrong" id="offer-wrong" role="alert">${refusal.message}</span>`}</div>`;
}

function Addon({ one, currency }) {
  const quantity = wishes.value.addons[one.id] ?? 0;
  return html`<li><span>${one.name} <small class="quiet number">${money(one.price, currency)}${PER[one.price_per]}</small></span>
    <${Stepper} isBare=${true} label=${one.name} value=${quantity} least=${0} most=${Math.min(one.stock ?? MOST, MOST)} onChange=${(count) => wish({ addons: { ...wishes.value.addons, [one.id]: count } })} /></li>`;
}

/** Everything that can be named beside what is chosen, and the lines that it comes to. */
export function Extras({ venue, priced }) {
  const { offer, points: useThem, as_student: asStudent, addons: wanted } = wishes.value;
  const [isOpen, setOpen] = useState(Boolean(offer || useThem || asStudent || Object.values(wanted).some(Boolean)));
  const mine = points.data.value?.points ?? 0;
  useEffect(() => {
    if (isOpen) for (const one of [addons, offers]) if (!one.data.value) one.load();
    if (person.value && venue.terms.point_value) points.load();
  }, [isOpen, person.value?.id]);
  const quote = priced?.quote;
  const isOfCode = priced?.refusal && offer && /^offer/.test(priced.refusal.problem.code ?? "");
  return html`<details class="extras" open=${isOpen} onToggle=${({ target }) => setOpen(target.open)}>
    <summary>${quote ? html`What it costs: <b class="number">${money(quote.total, quote.currency)}</b>` : "Code and extras"}</summary>
    ${isOpen && html`<div class="fields"><div>
      ${(addons.data.value?.items ?? []).length > 0 && html`<ul class="lines">${addons.data.value.items.map((one) => html`<${Addon} key=${one.id} one=${one} currency=${venue.currency} />`)}</ul>`}
      <${Code} refusal=${isOfCode ? priced.refusal : null} />
      ${person.value?.is_student && venue.terms.student_percent > 0 && html`<${Checkbox} label=${`Student: ${venue.terms.student_percent} % off`} checked=${asStudent} onChange=${({ target }) => wish({ as_student: target.checked })} />`}
      ${mine > 0 && venue.terms.point_value > 0 && html`<${Checkbox} label=${`Use my ${number(mine)} points`} checked=${useThem} onChange=${({ target }) => wish({ points: target.checked })} />`}</div>
      ${quote && html`<div><${Lines} quote=${quote} /></div>`}
      ${priced?.refusal && !isOfCode && html`<p class="wrong" role="alert">${priced.refusal.message}</p>`}</div>`}
  </details>`;
}
