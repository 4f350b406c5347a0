/** Log in and register. */

import { Refusal, logIn, register } from "./account.js";
import "./page.js";
import { forgetTyped, keepTyped, valuesOf } from "./typed.js";

const form = document.getElementById("enter");
const entering = form.dataset.entering;
const place = document.getElementById("refusal");
const next = new URLSearchParams(location.search).get("next") ?? "/";

keepTyped(form, entering);
for (const link of document.querySelectorAll("[data-keep-next]")) link.search = location.search;

function show(refusal) {
  place.replaceChildren();
  for (const field of form.elements) {
    field.removeAttribute("aria-invalid");
    document.getElementById(`wrong-${field.name}`)?.remove();
    const wrong = refusal?.field(field.name);
    if (!wrong) continue;
    const sentence = document.createElement("span");
    sentence.className = "wrong";
    sentence.id = `wrong-${field.name}`;
    sentence.textContent = wrong;
    field.after(sentence);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", sentence.id);
  }
  if (!refusal) return;
  const sentence = document.createElement("p");
  sentence.className = "refusal";
  sentence.textContent = refusal.message;
  place.append(sentence);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  show(null);
  try {
    await (entering === "login" ? logIn : register)(valuesOf(form));
    forgetTyped(entering);
    // Only a path of this site: whoever wrote the link must not send people elsewhere.
    location.assign(/^\/(?![/\\])/.test(next) ? next : "/");
  } catch (refusal) {
    show(refusal instanceof Refusal ? refusal : new Refusal({}));
    button.disabled = false;
  }
});
