"""The few ways a statement is run; every storage function is one call of one of these."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import asyncpg
from pydantic import BaseModel

Db: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Model = TypeVar("Model", bound=BaseModel)


async def one(db: Db, model: type[Model], statement: str, *values: Any) -> Model:
    """Run a statement that always answers exactly one row."""
    row = await db.fetchrow(statement, *values)
    if row is None:
        raise LookupError(statement)
    return model.model_validate(dict(row))


async def maybe(db: Db, model: type[Model], statement: str, *values: Any) -> Model | None:
    """Run a statement that answers one row or none."""
    row = await db.fetchrow(statement, *values)
    return None if row is None else model.model_validate(dict(row))


async def many(db: Db, model: type[Model], statement: str, *values: Any) -> list[Model]:
    """Run a statement that answers any number of rows, in its order."""
    return [model.model_validate(dict(row)) for row in await db.fetch(statement, *values)]


async def value(db: Db, statement: str, *values: Any) -> Any:
    """Run a statement for the one value of its first row; None when there is no row."""
    return await db.fetchval(statement, *values)


async def column(db: Db, statement: str, *values: Any) -> list[Any]:
    """Run a statement for the first column of all its rows."""
    return [row[0] for row in await db.fetch(statement, *values)]


async def run(db: Db, statement: str, *values: Any) -> int:
    """Run a statement for its effect; answers how many rows it touched."""
    status = await db.execute(statement, *values)
    count = status.rsplit(" ", 1)[-1]
    return int(count) if count.isdigit() else 0


def span(begin: datetime, end: datetime) -> Any:
    """Write a time from `begin` until before `end` as PostgreSQL's tstzrange."""
    return asyncpg.Range(begin, end)
