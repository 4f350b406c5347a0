/** One room by the hour: hours as rows, days as columns. */

import { useRef } from "preact/hooks";
import { announce, useLit } from "./announce.js";
import { Held } from "./cells.js";
import { anchor, asChosen, being, Chosen, chooseNow, chosen, runAt } from "./choosing.js";
import { hourBoard } from "./grid.js";
import { useGrid } from "./keys.js";
import { Paging } from "./nights.js";
import { html, now } from "./page.js";
import { dateTime, dayName, dayNumber, money, time, visitorsTime } from "./words.js";
import { instantOf } from "./zone.js";

export function Hours({ snapshot, rooms, room, first, today, onRoom, onTurn, mine }) {
  const { venue } = snapshot;
  const zone = venue.timezone;
  const board = hourBoard(snapshot, room, first, 7, now.value);
  const marks = new Map(board.lines.flatMap((line) => line.cells.map((cell) => [cell.key, cell.state])));
  const lit = useLit(marks, `${room.id} ${first}`, (_, before, after) => announce("slot", after === "free" ? "freed" : after));
  const table = useRef(null);

  const pick = (row, column, extend) => {
    const line = board.lines[column];
    const run = runAt(board, "hours", line, row, extend);
    if (!run) return;
    const [from, to] = [line.cells[run[0]].from, line.cells[run[1]].to];
    const item = { kind: "slot", room_id: room.id, starts_at: new Date(from).toISOString(), ends_at: new Date(to).toISOString(), guests: Math.min(being()?.item.guests ?? 1, board.type.capacity) };
    chooseNow(asChosen(item, board.type, room.number, venue));
  };
  const keys = useGrid(table, { rows: board.rows.length, columns: board.lines.length, onPick: pick, along: "column" });

  const covers = (item, cell) => item.kind === "slot" && item.room_id === room.id && Date.parse(item.starts_at) <= cell.from && cell.to <= Date.parse(item.ends_at);
  const overlaps = (item, cell) => item.kind === "slot" && item.room_id === room.id && Date.parse(item.starts_at) < cell.to && cell.from < Date.parse(item.ends_at);
  const cells = board.lines.flatMap((line) => line.cells);
  const isFree = (one) => one.item.room_id !== room.id || cells.filter((cell) => overlaps(one.item, cell)).every((cell) => cell.state === "free");
  const hint = anchor.value?.board === "hours" && anchor.value.isOpen && being() ? `From ${dateTime(anchor.value.cell, zone)}: choose the last hour, or hold this one.` : "Choose the first and the last hour.";

  // The visitor's own clock beside the venue's, where they differ on the first day shown.
  const differs = visitorsTime(board.lines[0].cells[0]?.from ?? now.value, zone) !== "";
  const visitors = differs && ((minute) => time(instantOf(board.lines[0].key, minute, zone)));

  return html`<div class="board-head"><h2 id="hours-title">By the hour${rooms.length === 1 ? `: ${room.number}` : ""}</h2><${Paging} first=${first} today=${today} table=${table} onTurn=${onTurn} /></div>
    ${rooms.length > 1 && html`<div class="tabs" role="group" aria-label="Rooms">${rooms.map((one) => html`<button type="button" class="button" aria-pressed=${one.id === room.id} onClick=${() => onRoom(one.id)}>${one.number}</button>`)}</div>`}
    <div class="board hours pickable"><table role="grid" aria-labelledby="hours-title" aria-multiselectable="true" ref=${table} ...${keys}>
      <thead role="rowgroup"><tr role="row"><th role="columnheader"><span class="only-read">Time</span></th>
        ${board.lines.map((line) => html`<th role="columnheader" key=${line.key}>${dayName(line.key)}<b>${dayNumber(line.key)}</b></th>`)}</tr></thead>
      <tbody role="rowgroup">${board.rows.map(
        (minute, row) => html`<tr role="row" key=${minute}><th role="rowheader">${clockOf(minute)}${visitors && html`<small>${visitors(minute)}<span class="only-read"> your time</span></small>`}</th>
          ${board.lines.map((line, column) => {
            const cell = line.cells[row];
            const yours = mine.some((item) => overlaps(item, cell));
            const selected = chosen.value.some((one) => covers(one.item, cell));
            return html`<${Hour} key=${line.key} cell=${cell} yours=${yours} selected=${selected} lit=${lit.has(cell.key)} venue=${venue} place=${keys.place(row, column)} />`;
          })}</tr>`,
      )}</tbody>
    </table></div>
    <p class="hint">${hint}${differs && " The small times are yours."}</p>
    <${Chosen} venue=${venue} kind="slot" isFree=${isFree} />`;
}

const clockOf = (minute) => time(Date.UTC(2000, 0, 3, 0, minute), "UTC");

function Hour({ cell, yours, selected, lit, venue, place }) {
  const state = yours ? "yours" : cell.state;
  const word = {
    yours: () => html`<span class="word"><span class="tick" aria-hidden="true">✓</span>yours</span>`,
    free: () => html`<span class="only-read">free </span>${money(cell.price, venue.currency)}`,
    held: () => html`<${Held} until=${cell.until} full=${venue.hold_seconds * 1000} zone=${venue.timezone} />`,
    taken: () => "taken",
    closed: () => html`<span class="only-read">closed</span><span aria-hidden="true">–</span>`,
  }[state];
  return html`<td role="gridcell" class="cell" data-state=${state} data-lit=${lit || undefined} aria-selected=${selected ? "true" : "false"} ...${place}>${word()}</td>`;
}
