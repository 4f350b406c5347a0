"""Lists: one page of rows and how many there are in all, in one statement."""

from __future__ import annotations

from typing import Any

from storage.query import Db, Model


def part(text: str | None) -> str | None:
    """Write a LIKE pattern that finds a text anywhere, whatever signs are in it; None finds everything."""
    if not text:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def page(
    db: Db, model: type[Model], statement: str, *values: Any, limit: int, offset: int
) -> tuple[list[Model], int]:
    """Run a statement whose last two parameters are LIMIT and OFFSET and whose column `total` counts all its rows."""
    rows = await db.fetch(statement, *values, limit, offset)
    if rows:
        return [model.model_validate(dict(row)) for row in rows], rows[0]["total"]
    # A page beyond the end has no row to carry the count.
    first = await db.fetch(statement, *values, 1, 0) if offset else []
    return [], first[0]["total"] if first else 0
