/** What changed from outside is said aloud politely, at most once in five seconds, summed up; cells light up once. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";

const EVERY = 5_000;
const LIGHT = 600;
const WORD = 3_000;

const waiting = new Map();
let saidAt = -EVERY;
let timer = null;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the visitor wants nothing to move. */
export const motionless = signal(still.matches);
still.addEventListener("change", () => (motionless.value = still.matches));

/** Count what happened, "taken" or "freed", of things called "slot" or "place", until it is said. */
export function announce(thing, happened, count = 1) {
  const key = `${thing} ${happened}`;
  waiting.set(key, (waiting.get(key) ?? 0) + count);
  schedule();
}

/** Say one sentence as it is, in its turn. */
export function say(sentence) {
  waiting.set(sentence, 0);
  schedule();
}

function schedule() {
  timer ??= setTimeout(speak, Math.max(300, saidAt + EVERY - performance.now()));
}

function speak() {
  timer = null;
  saidAt = performance.now();
  const region = document.getElementById("announce");
  const said = [...waiting].map(([key, count]) => {
    if (!count) return key;
    const [thing, happened] = key.split(" ");
    return `${count} ${thing}${count === 1 ? "" : "s"} ${happened}`;
  });
  waiting.clear();
  if (region) region.textContent = said.join(", ");
}

/**
 * Which of these things have just changed: marks is a Map of key to what is drawn. The first drawing lights nothing,
 * and neither does turning to other days; `withNew` lights what has just come too.
 */
export function useLit(marks, view, onChange, withNew = false) {
  const before = useRef(null);
  const off = useRef(null);
  const [lit, setLit] = useState(new Set());
  useEffect(() => {
    const last = before.current;
    before.current = { view, marks };
    if (!last || last.view !== view) return;
    const changed = [...marks].filter(([key, mark]) => (last.marks.has(key) ? last.marks.get(key) !== mark : withNew)).map(([key]) => key);
    if (!changed.length) return;
    for (const key of changed) onChange?.(key, last.marks.get(key), marks.get(key));
    setLit(new Set(changed));
    clearTimeout(off.current);
    off.current = setTimeout(() => setLit(new Set()), motionless.value ? WORD : LIGHT);
  });
  return lit;
}
