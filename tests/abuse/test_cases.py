"""Every case of abuse has a test that is marked with it, or a reason why there is nothing to abuse yet."""

from __future__ import annotations

import re

from tests.abuse.report import REPORT, cases, proofs, proven, report

COUNTS = {"A": 10, "B": 9, "C": 13, "D": 14, "E": 20, "F": 11, "G": 12, "H": 18, "I": 8, "J": 11, "K": 11}
# The hub's promises are proven beside the cases.
PROMISE = re.compile(r"P\d{1,2}")


def test_the_catalogue_is_whole() -> None:
    found = cases()
    counts = {letter: sum(one.startswith(letter) for one in found) for letter in "ABCDEFGHIJK"}
    assert counts == COUNTS
    assert all(case.abuse and case.expected for case in found.values())


def test_every_case_has_a_test_or_a_reason() -> None:
    by_case = proven()
    lacking = [case.id for case in cases().values() if case.required and case.id not in by_case and not case.later]
    assert lacking == [], f"no test is marked with {', '.join(lacking)}"


def test_no_reason_outlives_its_feature() -> None:
    by_case = proven()
    assert [case.id for case in cases().values() if case.later and case.id in by_case] == []


def test_marks_name_cases_that_there_are() -> None:
    known = cases()
    unknown = {case for proof in proofs() for case in proof.cases if case not in known and not PROMISE.fullmatch(case)}
    assert unknown == set()


def test_the_report_is_up_to_date() -> None:
    assert REPORT.read_text(encoding="utf-8") == report(), "run python -m tests.abuse.report"
