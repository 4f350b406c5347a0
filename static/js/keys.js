/** Moving about a grid: one tab stop, arrow keys, Home and End, Enter or Space to choose, Shift to extend; or a pointer. */

import { useEffect, useRef, useState } from "preact/hooks";

/**
 * Rows and columns count the cells only, not the headers. onPick gets (row, column, extend). `along` tells in which
 * direction a choice runs: cells of one "row" or one "column".
 */
export function useGrid(table, { rows, columns, onPick, along }) {
  const [at, setAt] = useState({ row: 0, column: 0 });
  const dragging = useRef(null);
  const dragged = useRef(false);
  const extending = useRef(false);

  const cellAt = (row, column) => table.current?.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  const isShown = (row, column) => Boolean(cellAt(row, column)?.offsetParent);

  useEffect(() => {
    const release = () => {
      dragged.current = dragging.current?.hasMoved ?? false;
      dragging.current = null;
    };
    addEventListener("pointerup", release);
    return () => removeEventListener("pointerup", release);
  }, []);

  const placeOf = (event) => {
    const cell = event.target.closest?.("[data-row]");
    return cell ? { row: Number(cell.dataset.row), column: Number(cell.dataset.column) } : null;
  };

  const onKeyDown = (event) => {
    const place = placeOf(event);
    if (!place) return;
    const { row, column } = place;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPick(row, column, event.shiftKey);
      return;
    }
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -column], End: [0, columns - 1 - column] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const to = { row: Math.max(0, Math.min(rows - 1, row + move[0])), column: Math.max(0, Math.min(columns - 1, column + move[1])) };
    while (to.column > 0 && !isShown(to.row, to.column)) to.column -= 1;
    // At once, not after the next drawing: the following key may come before it.
    cellAt(to.row, to.column)?.focus();
    setAt(to);
    const isAlong = along === "row" ? to.row === row : to.column === column;
    if (event.shiftKey && isAlong && (to.row !== row || to.column !== column)) {
      if (!extending.current) onPick(row, column, false);
      onPick(to.row, to.column, true);
    }
    extending.current = event.shiftKey && isAlong;
  };

  const onClick = (event) => {
    const place = placeOf(event);
    if (!place || dragged.current) return;
    setAt(place);
    onPick(place.row, place.column, event.shiftKey);
  };

  const onPointerDown = (event) => {
    const place = placeOf(event);
    // A finger scrolls; only a mouse or a pen draws a range.
    dragging.current = place && event.pointerType !== "touch" ? { ...place, hasMoved: false } : null;
  };

  const onPointerOver = (event) => {
    const from = dragging.current;
    const place = placeOf(event);
    if (!from || !place || (place.row === from.row && place.column === from.column && !from.hasMoved)) return;
    if (along === "row" ? place.row !== from.row : place.column !== from.column) return;
    if (!from.hasMoved) onPick(from.row, from.column, false);
    from.hasMoved = true;
    onPick(place.row, place.column, true);
  };

  return {
    onKeyDown,
    onClick,
    onPointerDown,
    onPointerOver,
    place: (row, column) => ({ "data-row": row, "data-column": column, tabindex: Math.min(at.row, rows - 1) === row && at.column === column ? 0 : -1 }),
  };
}
