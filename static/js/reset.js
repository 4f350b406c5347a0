/** Set a new password by the link or the code that was sent. */

import { resetPassword } from "./account.js";
import { askSecondFactor, entering } from "./entering.js";
import "./page.js";
import { keep, kept } from "./typed.js";

const form = document.getElementById("reset");
const sent = document.getElementById("sent");
// Behind the #, where no server and no log ever reads it; and out of the address as soon as it was read.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? history.state?.token;

if (token) {
  history.replaceState({ token }, "", location.pathname);
  document.getElementById("by-code").hidden = true;
  sent.textContent = "Choose a new password; the link is good for half an hour, and works once.";
} else if (kept("reset.target")) {
  form.elements.target.value = kept("reset.target");
  form.elements.code.focus();
} else {
  sent.textContent = "Type the code you were sent; it is good for ten minutes.";
}

entering(form, "reset", async ({ target, code, ...values }) => {
  const proof = token ? { token } : { [target?.includes("@") ? "email" : "phone"]: target, code };
  try {
    await resetPassword({ ...proof, ...values });
  } catch (refusal) {
    if (askSecondFactor(refusal, form)) return false;
    throw refusal;
  }
  keep("reset.target", null);
  keep("entered", "The new password is set; log in with it.");
  location.assign("/login");
});
