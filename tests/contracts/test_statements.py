"""Every SQL statement is a literal that PostgreSQL prepares, and its columns are those of its model."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from pydantic import BaseModel

from storage.pool import prepare

STORAGE = Path(__file__).parent.parent.parent / "storage"
# These run what others hand them (statements, migrations, an author in hex), make and fill whole databases, or ask one
# thing after another of a database that was tortured.
RUNNERS = ("query", "listing", "migrate", "embedded_server", "pool", "transaction", "bench", "torture", "soundness")
WITH_MODEL = ("one", "maybe", "many", "page")
WITHOUT_MODEL = ("value", "column", "run", "fetch", "fetchrow", "fetchval", "execute")
# A page counts all its rows beside each.
COUNT = "total"


@dataclass
class Statement:
    """A statement as it stands in the code, and the model that its rows become."""

    place: str
    text: ast.expr
    model: type[BaseModel] | None


def statements() -> Iterator[Statement]:
    for file in sorted(STORAGE.glob("*.py")):
        if file.stem in RUNNERS or file.stem == "__init__":
            continue
        module = importlib.import_module(f"storage.{file.stem}")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            is_method = isinstance(node.func, ast.Attribute)
            place = f"{file.name}:{node.lineno}"
            if called in WITH_MODEL and not is_method and len(node.args) >= 3:
                model = getattr(module, getattr(node.args[1], "id", ""), None)
                yield Statement(place, node.args[2], model)
            elif called in WITHOUT_MODEL and len(node.args) >= (1 if is_method else 2):
                yield Statement(place, node.args[0 if is_method else 1], None)


ALL = list(statements())


def test_there_are_statements_to_look_at() -> None:
    assert len(ALL) > 80
    assert sum(one.model is not None for one in ALL) > 30


@pytest.mark.parametrize("statement", [pytest.param(one, id=one.place) for one in ALL])
def test_a_statement_is_a_literal_that_names_its_columns(statement: Statement) -> None:
    assert isinstance(statement.text, ast.Constant), f"{statement.place} is put together from parts"
    text = statement.text.value
    assert isinstance(text, str)
    plain = text.replace("count(*)", "").replace("COUNT(*)", "")
    assert "SELECT *" not in plain
    assert ".*" not in plain
    assert "RETURNING *" not in plain


async def test_every_statement_fits_the_schema_and_its_model(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    faults = []
    try:
        await prepare(connection)
        for statement in ALL:
            assert isinstance(statement.text, ast.Constant)
            try:
                prepared = await connection.prepare(str(statement.text.value))
            except asyncpg.PostgresError as error:
                faults.append(f"{statement.place}: {error}")
                continue
            if statement.model is not None:
                faults += _unlike(statement, [attribute.name for attribute in prepared.get_attributes()])
    finally:
        await connection.close()
    assert not faults, "\n".join(faults)


def _unlike(statement: Statement, columns: list[str]) -> Iterator[str]:
    assert statement.model is not None
    fields = statement.model.model_fields
    names = {field.alias or name for name, field in fields.items()}
    required = {field.alias or name for name, field in fields.items() if field.is_required()}
    if missing := required - set(columns):
        yield f"{statement.place}: {statement.model.__name__} needs {sorted(missing)}"
    if needless := set(columns) - names - {COUNT}:
        yield f"{statement.place}: {statement.model.__name__} has no use for {sorted(needless)}"
