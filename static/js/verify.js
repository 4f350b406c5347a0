/** Show by a code that an e-mail address or a telephone number is one's own. */

import { effect } from "@preact/signals";
import { ask, person } from "./account.js";
import { entering, next, show } from "./entering.js";
import "./page.js";
import { duration } from "./words.js";

const form = document.getElementById("verify");
const again = document.getElementById("again");
const sent = document.getElementById("sent");
const channel = form.dataset.channel;

document.getElementById("later").href = next();

effect(() => {
  if (!person.value?.[`${channel}_verified`]) return;
  form.hidden = again.hidden = true;
  const place = document.getElementById("verified");
  place.hidden = false;
  place.textContent = `${channel === "email" ? person.value.email : person.value.phone} is verified.`;
});

entering(form, `verify.${channel}`, async (values) => {
  await ask("POST", "/me/verifications/check", { channel, ...values });
  location.assign(next());
});

again.addEventListener("click", async () => {
  again.disabled = true;
  show(form, null);
  try {
    const { to, expires_in: seconds } = await ask("POST", "/me/verifications", { channel });
    sent.textContent = `A six-digit code is on its way to ${to}; it is good for ${duration(seconds)}.`;
    again.textContent = "Send another code";
    form.elements.code.focus();
  } catch (refusal) {
    show(form, refusal);
  }
  again.disabled = false;
});
// Until here a click would have been lost.
again.disabled = false;
