"""A progress bar for whoever sits at the terminal; a file or a pipe gets none."""

from __future__ import annotations

import sys
import time

WIDTH = 40


class Bar:
    """Draws how far something is, ten times a second at most."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, of: int) -> None:
        """Note that so many of all are done."""
        now = time.monotonic()
        if not self._shown or (now - self._drawn < 0.1 and done < of):
            return
        self._drawn = now
        full = WIDTH * done // max(of, 1)
        rate = done / max(now - self._begun, 0.001)
        sys.stderr.write(
            f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done:,} of {of:,} {self._unit}, {rate:,.0f} a second "
        )
        if done >= of:
            sys.stderr.write("\n")
        sys.stderr.flush()
