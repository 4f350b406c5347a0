/** Forms drawn by the server, sent by scripts: what was typed stays, and what is wrong is told at its field. */

import { Refusal } from "./account.js";
import { forgetTyped, keepTyped, valuesOf } from "./typed.js";

/** Only a path of this site: whoever wrote the link must not send people elsewhere. */
export function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  // As the browser will read it, which leaves tabs and line ends out and takes \ for /.
  const { origin, pathname, search, hash } = URL.canParse(wanted, location.origin) ? new URL(wanted, location.origin) : location;
  return origin === location.origin && wanted.startsWith("/") && !pathname.startsWith("//") ? pathname + search + hash : "/";
}

/** Links that lead on to the same next page. */
export function keepNext() {
  if (!new URLSearchParams(location.search).has("next")) return;
  for (const link of document.querySelectorAll("[data-keep-next]")) link.search = new URLSearchParams({ next: next() });
}

/** Send a form by `send(values)`, from now on; when it answers false the form stays as it is, else what was typed is forgotten. */
export function entering(form, name, send) {
  const button = form.querySelector("[type=submit]");
  keepTyped(form, name);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    show(form, null);
    try {
      if ((await send(valuesOf(form))) !== false) forgetTyped(name);
    } catch (thrown) {
      show(form, thrown instanceof Refusal ? thrown : new Refusal({}));
    }
    button.disabled = false;
  });
  button.disabled = false;
}

/** Show a refusal where it happened, or take the last one away. */
export function show(form, refusal) {
  const place = form.querySelector(".refusals");
  place.replaceChildren();
  let first = null;
  for (const field of form.elements) {
    if (!field.name || field.type === "radio") continue;
    const id = `wrong-${field.name}`;
    const before = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((one) => one && one !== id);
    document.getElementById(id)?.remove();
    field.removeAttribute("aria-invalid");
    const wrong = refusal?.field(field.name);
    if (wrong) {
      const sentence = document.createElement("span");
      sentence.className = "wrong";
      sentence.id = id;
      sentence.textContent = `${field.labels[0]?.textContent ?? ""} ${wrong}`.trim();
      field.after(sentence);
      field.setAttribute("aria-invalid", "true");
      before.unshift(id);
      first ??= field;
    }
    if (before.length) field.setAttribute("aria-describedby", before.join(" "));
    else field.removeAttribute("aria-describedby");
  }
  if (!refusal) return;
  const names = new Set([...form.elements].map((field) => field.name));
  const others = (refusal.problem.errors ?? []).filter((error) => !names.has(error.field));
  // What is said at its field needs no second sentence.
  if (!first || others.length) {
    const box = document.createElement("div");
    box.className = "refusal";
    box.append(paragraph(refusal.message), ...others.map((error) => paragraph(`${error.field} ${error.message}`)));
    place.append(box);
  }
  first?.focus();
}

function paragraph(words) {
  const made = document.createElement("p");
  made.textContent = words;
  return made;
}

/** Ask for the second factor in the form that was refused for want of it; answers whether it was. */
export function askSecondFactor(refusal, form) {
  if (refusal?.problem?.code !== "second_factor_needed") return false;
  const place = form.querySelector("#second");
  const isNew = place.hidden;
  place.hidden = false;
  form.elements.totp_code.focus();
  return isNew;
}
