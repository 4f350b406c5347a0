"""Which test proves which case of abuse: `python -m tests.abuse.report` writes docs/abuse-cases.md."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
CASES = Path(__file__).with_name("cases.json")
REPORT = TESTS.parent / "docs" / "abuse-cases.md"


@dataclass(frozen=True)
class Case:
    """One way to abuse the hub, and what must happen."""

    id: str
    abuse: str
    expected: str
    section: str
    required: bool
    # Why there is nothing to abuse yet.
    later: str | None = None


@dataclass(frozen=True)
class Proof:
    """A test that is marked as the proof of cases."""

    file: str
    test: str
    cases: tuple[str, ...]


def cases() -> dict[str, Case]:
    """Read all cases, in the order of the catalogue."""
    sections = json.loads(CASES.read_text(encoding="utf-8"))
    return {
        one["id"]: Case(**one, section=f"{section['section']} {section['title']}", required=section["required"])
        for section in sections
        for one in section["cases"]
    }


@functools.cache
def proofs() -> list[Proof]:
    """Find every `pytest.mark.abuse(...)`, by the test it stands on."""
    found = []
    for file in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        # Reading the grammar of two hundred files takes seconds, and few of them have a mark.
        if "abuse" not in text:
            continue
        tree = ast.parse(text)
        place = str(file.relative_to(TESTS.parent))
        for test, mark in _marks(tree):
            named = tuple(one.value for one in mark.args if isinstance(one, ast.Constant))
            if len(named) != len(mark.args) or not named:
                raise ValueError(f"{place}: {test} must name its cases one by one, as texts")
            found.append(Proof(place, test, named))
    return found


def _marks(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside: set[ast.AST] = set()
    for function in functions:
        for node in ast.walk(function):
            if _is_mark(node) and node not in inside:
                inside.add(node)
                yield function.name, node
    for node in ast.walk(tree):
        if _is_mark(node) and node not in inside:
            yield "", node


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "abuse"


def proven() -> dict[str, list[Proof]]:
    """List the proofs of each case."""
    by_case: dict[str, list[Proof]] = {}
    for proof in proofs():
        for case in dict.fromkeys(proof.cases):
            by_case.setdefault(case, []).append(proof)
    return by_case


def report() -> str:
    """Write the report."""
    all_cases, by_case = cases(), proven()
    required = [case for case in all_cases.values() if case.required]
    tested = [case for case in required if case.id in by_case]
    later = [case for case in required if case.later]
    lines = [
        "# Abuse, and which test proves the answer",
        "",
        "Written by `python -m tests.abuse.report`, from the cases of `tests/abuse/cases.json`",
        "and the tests that are marked with them; a test fails when it is out of date.",
        "",
        f"Of {len(required)} cases {len(tested)} are proven, and {len(later)} have nothing to abuse yet.",
    ]
    for section in dict.fromkeys(case.section for case in all_cases.values()):
        here = [
            case for case in all_cases.values() if case.section == section and (case.required or case.id in by_case)
        ]
        if not here:
            continue
        lines += ["", f"## {section}", "", "| | abuse | expected | proven by |", "|---|---|---|---|"]
        lines += [_row(case, by_case.get(case.id, [])) for case in here]
    return "\n".join(lines) + "\n"


def _row(case: Case, proofs_of_it: list[Proof]) -> str:
    by_file: dict[str, list[str]] = {}
    for proof in proofs_of_it:
        by_file.setdefault(proof.file, []).append(proof.test.removeprefix("test_").replace("_", " ") or "all of it")
    told = "<br>".join(f"[{file}](../{file}): {'; '.join(dict.fromkeys(tests))}" for file, tests in by_file.items())
    return (
        f"| {case.id} | {_cell(case.abuse)} | {_cell(case.expected)} | {told or _cell(case.later or 'nothing yet')} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    REPORT.write_text(report(), encoding="utf-8")
