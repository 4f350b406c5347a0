/** Open an account, and go on to show that the address is one's own. */

import { register } from "./account.js";
import { entering, keepNext, next } from "./entering.js";
import "./page.js";

const form = document.getElementById("register");

/** What only facilitators tell of themselves; their studio is where this browser is, until they say otherwise. */
function facilitator({ bio, specialisation, studio_name: name, studio_city: city }) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return { bio, specialisation, ...(name && { studio: { name, city, timezone: timeZone } }) };
}

keepNext();
entering(form, "register", async ({ bio, specialisation, studio_name, studio_city, ...values }) => {
  const more = values.role === "facilitator" ? facilitator({ bio, specialisation, studio_name, studio_city }) : {};
  await register({ ...values, ...more });
  location.assign(`/verify?${new URLSearchParams({ next: next() })}`);
});
