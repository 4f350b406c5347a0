/** Log in, with a second factor where the account has one, also after coming back from Google or Facebook. */

import { logIn, socialSecondFactor } from "./account.js";
import { askSecondFactor, entering, keepNext, next } from "./entering.js";
import { data } from "./page.js";
import { keep, kept } from "./typed.js";

const form = document.getElementById("enter");
const second = document.getElementById("second-factor");

if (form && kept("entered")) {
  const told = document.getElementById("told");
  told.textContent = kept("entered");
  told.hidden = false;
  keep("entered", null);
}

keepNext();
if (second) {
  entering(second, "second-factor", async ({ totp_code: code }) => {
    await socialSecondFactor(data.provider, code);
    location.assign(next());
  });
}
if (form) {
  entering(form, "login", async (values) => {
    try {
      await logIn(values);
    } catch (refusal) {
      if (askSecondFactor(refusal, form)) return false;
      throw refusal;
    }
    location.assign(next());
  });
}
