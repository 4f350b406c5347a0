/** Lists of the administration: what is asked for stands in the address, so that it can be kept and sent on. */

import { html } from "./page.js";
import { many } from "./words.js";

/** The filters as the address has them, for the hub to read; empty ones are left out. */
export function filters(more = {}) {
  const wanted = new URLSearchParams([...new URLSearchParams(location.search)].filter(([, value]) => value.trim()));
  for (const [name, value] of Object.entries(more)) wanted.set(name, value);
  return wanted.toString();
}

const address = (page) => `?${filters({ page })}`;

export function Pages({ meta, one, more }) {
  const { page, total_pages: last, total_items: count } = meta;
  return html`<nav class="row between pages" aria-label="More pages">
    ${page > 1 ? html`<a class="button" rel="prev" href=${address(page - 1)}>Back</a>` : html`<span></span>`}
    <span class="quiet">${many(count, one, more)}${last > 1 ? `, page ${page} of ${last}` : ""}</span>
    ${page < last ? html`<a class="button" rel="next" href=${address(page + 1)}>More</a>` : html`<span></span>`}
  </nav>`;
}
