/** Ask for a new password: whoever asks is told the same, whether there is such an account or not. */

import { forgotPassword } from "./account.js";
import { entering } from "./entering.js";
import "./page.js";
import { keep } from "./typed.js";

const form = document.getElementById("forgot");

entering(form, "forgot", async ({ channel, email, phone }) => {
  await forgotPassword(channel === "sms" ? { channel, phone } : { channel, email });
  keep("reset.target", channel === "sms" ? phone : email);
  location.assign("/reset-password");
});
