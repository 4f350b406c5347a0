"""The table of a run: promise, load, faults injected, result."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from hub.torture.play import Mark, Row

_WIDTH = 116


def known_at_once(row: Row) -> str:
    """Write all that is known of one promise, as soon as it is."""
    lines = [line_of(row), *_wrapped("load", row.load), *_wrapped("faults", _faults(row))]
    for mark in row.marks:
        lines += _wrapped(_verdict(mark), f"{mark.what}{': ' if mark.said else ''}{mark.said}")
    lines += [line for fault in row.toothless for line in _wrapped("NO BITE", fault)]
    return "\n".join([*lines, ""])


def table_of(rows: Sequence[Row]) -> str:
    """Write the table of all promises: promise, load, faults, result."""
    return "\n".join(
        line for row in rows for line in (line_of(row), *_wrapped("load", row.load), *_wrapped("faults", _faults(row)))
    )


def line_of(row: Row) -> str:
    """Write one promise in one line."""
    verdict = "holds" if row.holds else "SLOW" if row.is_only_slow else "BROKEN"
    return f"{row.promise.id:4} {verdict:6} {row.seconds:6.1f} s  {row.promise.sentence}"


def _faults(row: Row) -> str:
    return ", ".join(f"{fault} {times} x" for fault, times in sorted(row.bitten.items())) or "none"


def _verdict(mark: Mark) -> str:
    if mark.held:
        return "held"
    if not mark.counts:
        return "slow"
    return "SLOW" if mark.is_speed else "BROKEN"


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"     {name:8}", subsequent_indent=" " * 13) or [f"     {name}"]
