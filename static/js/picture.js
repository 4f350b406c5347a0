/** One's own picture: shown, chosen, replaced, taken away. */

import { ask, nowIs, person } from "./account.js";
import { Sentence, useAct } from "./fields.js";
import { html } from "./page.js";

/** Somebody's picture, or the first letters of their name. */
export function Face({ of, size = 96 }) {
  const letters = of.full_name.split(/\s+/).map((word) => [...word][0]).slice(0, 2).join("").toUpperCase();
  if (!of.picture_url) return html`<span class="face" data-size=${size} aria-hidden="true">${letters}</span>`;
  return html`<img class="face" data-size=${size} src=${`${of.picture_url}?w=256&h=256&c=fill&q=auto`} alt="" width=${size} height=${size} />`;
}

export function Picture() {
  const { busy, refusal, run } = useAct();
  const choose = ({ target }) => {
    const file = target.files[0];
    if (!file) return;
    const form = new FormData();
    form.append("file", file);
    run(async () => nowIs({ ...person.value, picture_url: (await ask("POST", "/me/picture", form)).picture_url })).then(() => (target.value = ""));
  };
  const remove = () => run(async () => {
    await ask("DELETE", "/me/picture");
    nowIs({ ...person.value, picture_url: null });
  });
  return html`<div class="row"><${Face} of=${person.value} />
      <label class="button file" data-busy=${busy}>${person.value.picture_url ? "Choose another" : "Choose a picture"}<input type="file" accept="image/jpeg,image/png,image/webp" disabled=${busy} onChange=${choose} /></label>
      ${person.value.picture_url && html`<button type="button" class="button" disabled=${busy} onClick=${remove}>Take it away</button>`}</div>
    <p class="small quiet">JPEG, PNG or WebP; where it was taken and the like is removed.</p>
    <${Sentence} refusal=${refusal} />
    <p class="told" role="status">${busy ? "On its way." : ""}</p>`;
}
