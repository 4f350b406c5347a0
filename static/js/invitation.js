/** An invitation to work at a venue: shown to whoever has its token, accepted by whom it was sent to. */

import { useEffect, useState } from "preact/hooks";
import { ask, logOut, person, showInvitation } from "./account.js";
import { Sentence, useAct } from "./fields.js";
import { draw, html, now } from "./page.js";
import { keep, kept } from "./typed.js";
import { ago } from "./words.js";

// Behind the #, where no server and no log ever reads it. It is kept for whoever registers first.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? kept("invitation");
if (token) {
  keep("invitation", token);
  history.replaceState(null, "", location.pathname);
}

const WORDS = { desk: "at the desk, with its bookings", manager: "as a manager, with its rooms, sessions and bookings" };

function Invitation() {
  const [invited, setInvited] = useState(null);
  const [done, setDone] = useState(null);
  const { busy, refusal, run } = useAct();
  useEffect(() => {
    if (token) run(async () => setInvited(await showInvitation(token)));
  }, []);
  if (!token) return html`<h1>Invitation</h1><p>Open this page by the link in the mail that invited you.</p>`;
  const accept = () => run(async () => {
    setDone(await ask("POST", "/invitations/accept", { token }));
    keep("invitation", null);
  });
  if (done) return html`<h1>Welcome to ${invited.venue_name}</h1><div class="done" role="status"><p>You work there now. Its bookings are on your dashboard.</p></div><p><a class="button main" href="/dashboard">Dashboard</a></p>`;
  const next = `?next=${encodeURIComponent("/invitation")}`;
  const isMine = person.value && invited?.email.toLowerCase() === person.value.email.toLowerCase();
  return html`<h1>Invitation</h1>
    ${invited && html`<div class="sheet"><h2>${invited.venue_name}</h2><p>${invited.invited_by} invites ${isMine ? "you" : html`<b>${invited.email}</b>`} to work there ${WORDS[invited.role]}. The invitation ends ${ago(invited.expires_at, now.value)}.</p>
      ${!person.value && html`<p>Log in or register with that address to accept.</p><div class="row"><a class="button main" href=${`/login${next}`}>Log in</a><a class="button" href=${`/register${next}`}>Register</a></div>`}
      ${person.value && !isMine && html`<p>You are logged in as ${person.value.email}.</p><div class="row"><button type="button" class="button main" onClick=${() => logOut().then(() => keep("invitation", token))}>Log out and use the other address</button></div>`}
      ${isMine && html`<div class="row"><button type="button" class="button main" disabled=${busy} onClick=${accept}>Accept</button></div>`}</div>`}
    <${Sentence} refusal=${refusal} />`;
}

draw(Invitation, "invitation");
