/** Log in, with a second factor where the account has one. */

import { logIn } from "./account.js";
import { askSecondFactor, entering, keepNext, next } from "./entering.js";
import "./page.js";

const form = document.getElementById("enter");

keepNext();
entering(form, "login", async (values) => {
  try {
    await logIn(values);
  } catch (refusal) {
    if (askSecondFactor(refusal, form)) return false;
    throw refusal;
  }
  location.assign(next());
});
