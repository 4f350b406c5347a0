/** What a venue charges: rates of seasons and weekdays, offers, and what it sells beside its rooms. */

import { Addons, addons } from "./addons.js";
import { Offers, offers } from "./offers.js";
import { data, html } from "./page.js";
import { OnItsWay, Section, Waiting, asked, drawFor, useTogether } from "./personal.js";
import { Rates, rates, types } from "./rates.js";

const venue = asked(`/venues/${data.venue_id}`);
const CODES = "A code takes something off. Only one counts for a booking.";

function Prices() {
  if (!useTogether(venue, rates, types, offers, addons)) return html`<${OnItsWay} />`;
  const of = venue.data.value;
  if (!of) return html`<${Waiting} of=${venue} />`;
  return html`<div class="stack">
    <${Section} title="Rates" id="rates"><p class="small quiet">What a night or hour costs in a season or on some weekdays. The narrowest that fits counts; what is held or booked keeps its price.</p><${Rates} venue=${of} /><//>
    <${Section} title="Offers" id="offers"><p class="small quiet">${CODES}</p><${Offers} venue=${of} /><//>
    <${Section} title="Add-ons" id="addons"><p class="small quiet">What is sold beside rooms and places.</p><${Addons} venue=${of} /><//>
  </div>`;
}

/** What counts at every venue. */
function OffersOfAll() {
  if (!useTogether(offers)) return html`<${OnItsWay} />`;
  return html`<${Section} title="Offers of the whole hub" id="offers"><p class="small quiet">${CODES}</p><${Offers} /><//>`;
}

if (data.venue_id) drawFor(Prices);
else drawFor(OffersOfAll, "offer:read");
