"""Each layer knows only what stands below it, and doors hold no rules."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.table import table

ROOT = Path(__file__).parent.parent.parent
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
# What a file of endpoints may know: the services it calls, and the names and shapes that travel.
BELOW_A_DOOR = ("handlers.endpoint", "hub.models", "hub.services", "hub.live", "hub.rooms", "hub.events", "hub.errors")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(LINT, check=False, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the code, to plant something in it."""
    for package in ("hub", "handlers", "storage"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_layer_imports_what_stands_above_or_beside_it() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("hub/services/rooms.py", "import asyncpg"),
        ("hub/services/rooms.py", "from handlers import endpoint"),
        ("storage/rooms.py", "from hub.services import rooms as upward"),
        ("hub/models/rooms.py", "from storage import rooms as upward"),
    ],
)
def test_a_planted_violation_is_noticed(file: str, line: str, copy: Path) -> None:
    planted = copy / file
    text = planted.read_text(encoding="utf-8")
    head = "from __future__ import annotations\n"
    planted.write_text(text.replace(head, f"{head}\n{line}\n", 1), encoding="utf-8")
    assert lint(copy).returncode == 1


def test_files_of_endpoints_only_pass_on_to_services() -> None:
    modules = {one.handler.__module__ for one in table().values()}
    for module in sorted(modules):
        tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ("hub", "storage"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in names:
                    assert name.startswith(BELOW_A_DOOR), f"{module} imports {name}"
