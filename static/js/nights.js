/** Rooms by night: types as rows, nights as columns, counts in the cells. */

import { useRef } from "preact/hooks";
import { announce, useLit } from "./announce.js";
import { anchor, asChosen, being, chosen, chooseNow, Chosen, runAt } from "./choosing.js";
import { Held } from "./cells.js";
import { nightBoard } from "./grid.js";
import { useGrid } from "./keys.js";
import { html, now } from "./page.js";
import { dayName, dayNumber, longDay, money } from "./words.js";
import { addDays, daysBetween } from "./zone.js";

export function Nights({ snapshot, first, today, onTurn, mine }) {
  const { venue } = snapshot;
  const board = nightBoard(snapshot, first, 14, now.value);
  const marks = new Map(board.lines.flatMap((line) => line.cells.map((cell) => [`${line.key} ${cell.key}`, `${cell.state} ${cell.free}`])));
  const lit = useLit(marks, first, (key, before, after) => {
    const [, had] = before.split(" ");
    const [state, has] = after.split(" ");
    announce("room", Number(has) > Number(had) ? "freed" : state === "held" ? "held" : "taken");
  });
  const table = useRef(null);

  const pick = (row, column, extend) => {
    const line = board.lines[row];
    const start = being();
    const run = runAt(board, "nights", line, column, extend);
    if (!run) return;
    const old = start?.item.kind === "stay" ? start.item : { guests: 1, quantity: 1 };
    const quantity = Math.min(old.quantity, ...line.cells.slice(run[0], run[1] + 1).map((cell) => cell.free));
    const item = { kind: "stay", room_type_id: line.type.id, check_in: line.cells[run[0]].key, check_out: addDays(line.cells[run[1]].key, 1), guests: Math.min(old.guests, line.type.capacity * quantity), quantity };
    chooseNow(asChosen(item, line.type, line.type.name, venue));
  };
  const keys = useGrid(table, { rows: board.lines.length, columns: board.days.length, onPick: pick, along: "row" });

  const chosenAt = (line, cell) => chosen.value.some(({ item }) => item.kind === "stay" && item.room_type_id === line.type.id && item.check_in <= cell.key && cell.key < item.check_out);
  const line = (one) => board.lines.find((other) => other.type.id === one.item.room_type_id);
  const nightsOf = (one) => line(one)?.cells.filter((cell) => one.item.check_in <= cell.key && cell.key < one.item.check_out) ?? [];
  const most = (one) => Math.min(...nightsOf(one).map((cell) => cell.free), 100);
  const isFree = (one) => nightsOf(one).every((cell) => cell.free >= one.item.quantity);

  return html`<div class="board-head"><h2 id="nights-title">Rooms by night</h2><${Paging} first=${first} today=${today} table=${table} onTurn=${onTurn} /></div>
    <div class="board nights pickable"><table role="grid" aria-labelledby="nights-title" aria-multiselectable="true" ref=${table} ...${keys}>
      <thead role="rowgroup"><tr role="row"><th role="columnheader"><span class="only-read">Room type</span></th>
        ${board.days.map((day) => html`<th role="columnheader" key=${day}>${dayName(day)}<b>${dayNumber(day)}</b></th>`)}</tr></thead>
      <tbody role="rowgroup">${board.lines.map(
        (line, row) => html`<tr role="row" key=${line.key}><th role="rowheader">${line.type.name}<small>sleeps ${line.type.capacity} · ${money(line.rate, venue.currency)}</small></th>
          ${line.cells.map((cell, column) => {
            const yours = mine.some((item) => item.kind === "stay" && item.room_type_id === line.type.id && item.check_in <= cell.key && cell.key < item.check_out);
            return html`<${Night} key=${cell.key} cell=${cell} usual=${line.rate} yours=${yours} selected=${chosenAt(line, cell)} lit=${lit.has(`${line.key} ${cell.key}`)} venue=${venue} place=${keys.place(row, column)} />`;
          })}</tr>`,
      )}</tbody>
    </table></div>
    <p class="hint">${anchor.value?.board === "nights" && anchor.value.isOpen && being() ? `From ${longDay(anchor.value.cell)}: choose the last night, or hold this one.` : "Choose the first and the last night of your stay."}</p>
    <${Chosen} venue=${venue} kind="stay" isFree=${isFree} most=${most} />`;
}

function Night({ cell, usual, yours, selected, lit, venue, place }) {
  const state = yours ? "yours" : cell.state;
  // What costs another price than usual says so in place of the word.
  const left = cell.rate === usual ? html`<small>left</small>` : html`<small class="number"><span class="only-read">left, </span>${money(cell.rate, venue.currency)}</small>`;
  return html`<td role="gridcell" class="cell" data-state=${state} data-lit=${lit || undefined} aria-selected=${selected ? "true" : "false"} ...${place}>
    ${yours && html`<span class="word"><span class="tick" aria-hidden="true">✓</span>yours</span>`}
    ${cell.state === "free" ? (yours ? html`<small>${cell.free} left</small>` : html`<span class="count">${cell.free}</span>${left}`) : null}
    ${!yours && cell.state === "held" ? html`<${Held} until=${cell.until} full=${venue.hold_seconds * 1000} zone=${venue.timezone} />` : null}
    ${!yours && cell.state === "taken" ? "full" : null}
    ${cell.state === "closed" && !yours ? html`<span class="only-read">closed</span><span aria-hidden="true">–</span>` : null}
  </td>`;
}

/** Earlier, today, later: turns by as many columns as there is room for. */
export function Paging({ first, today, table, onTurn }) {
  const shown = () => [...table.current.querySelectorAll("thead th")].filter((th) => th.offsetParent).length - (table.current.querySelector("thead th").offsetParent ? 1 : 0) || 1;
  const turn = (days) => {
    const wanted = addDays(first, days);
    onTurn(daysBetween(today, wanted) < 0 ? today : wanted);
  };
  return html`<div class="row">
    <button type="button" class="button" disabled=${first <= today} onClick=${() => turn(-shown())}>‹<span class="only-read"> Earlier</span></button>
    <button type="button" class="button" onClick=${() => onTurn(today)}>Today</button>
    <button type="button" class="button" onClick=${() => turn(shown())}>›<span class="only-read"> Later</span></button>
  </div>`;
}

