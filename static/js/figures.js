/** Key figures, each with a thin line of 30 days. */

import { html } from "./page.js";
import { longDay, number, sums } from "./words.js";

const WIDTH = 120;
const HEIGHT = 28;

/** A line without axes: it only says how it went. What it says exactly stands in the table below. */
function Line({ values }) {
  const most = Math.max(...values, 1);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, n) => `${(n * step).toFixed(1)},${(HEIGHT - 2 - (Math.max(0, value) / most) * (HEIGHT - 4)).toFixed(1)}`);
  const last = points.at(-1).split(",");
  return html`<svg class="line" viewBox=${`0 0 ${WIDTH + 4} ${HEIGHT}`} preserveAspectRatio="xMinYMid" aria-hidden="true"><polyline points=${points.join(" ")} /><circle cx=${last[0]} cy=${last[1]} r="2" /></svg>`;
}

export function Figures({ dashboard }) {
  const { figures, past, ahead } = dashboard;
  const revenueOf = (day) => Object.values(day.revenue).reduce((sum, minor) => sum + minor, 0);
  const cards = [
    ["Bookings", number(figures.bookings), past.map((day) => day.bookings), `${number(figures.active_bookings)} active`],
    ["Revenue", sums(figures.revenue) || "–", past.map(revenueOf), "came in"],
    ["Upcoming", number(figures.upcoming_bookings), ahead.map((day) => day.bookings), "next 30 days"],
    ["Sessions", number(figures.sessions), past.map((day) => day.sessions), "last 30 days"],
    ["Active sessions", number(figures.active_sessions), ahead.map((day) => day.sessions), `${number(figures.upcoming_sessions)} upcoming`],
  ];
  return html`<section class="figures" aria-labelledby="figures-title">
    <h2 id="figures-title" class="only-read">Key figures</h2>
    <dl>${cards.map(([name, value, line, more]) => html`<div class="sheet" key=${name}><dt>${name}</dt><dd><span class="value number">${value}</span><${Line} values=${line} /><small class="quiet">${more}</small></dd></div>`)}</dl>
    <div class="only-read"><table><caption>The last 30 days</caption>
      <thead><tr><th>Day</th><th>Bookings</th><th>Cancelled</th><th>Revenue</th><th>Sessions</th></tr></thead>
      <tbody>${past.map((day) => html`<tr key=${day.day}><th>${longDay(day.day)}</th><td>${day.bookings}</td><td>${day.cancelled}</td><td>${sums(day.revenue)}</td><td>${day.sessions}</td></tr>`)}</tbody>
    </table></div>
  </section>`;
}
