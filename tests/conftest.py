"""What every test may ask for, and in which order the tests run."""

import gc
import operator
from collections import Counter

import pytest

pytest_plugins = ["tests.servers", "tests.doors", "tests.openid", "tests.bucket", "tests.receivers"]

# The longest run first, so that at the end nobody waits for one of them alone; those that wait much beside others.
LONGEST = (
    "tests/torture/test_promises.py",
    "tests/contracts/test_schemathesis.py",
    "tests/abuse/test_matrix.py",
    "tests/ground/test_supervisor.py",
    "tests/abuse/test_canary.py",
    "tests/reference/test_import.py",
    "tests/equality/test_equality.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the longest tests first, and spread those of each folder over all the rest of the run.

    What a browser or a clock is waited for in one folder leaves the processor to what is reckoned in another.
    """
    files = [item.nodeid.partition("::")[0] for item in items]
    folders = [file.rpartition("/")[0] for file in files]
    sizes, seen = Counter(folders), Counter[str]()
    places = []
    for file, folder in zip(files, folders, strict=True):
        seen[folder] += 1
        is_long = file in LONGEST
        places.append((not is_long, LONGEST.index(file) if is_long else seen[folder] / sizes[folder]))
    items[:] = [item for _, item in sorted(zip(places, items, strict=True), key=operator.itemgetter(0))]


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every look for what has gone: it stays to the end."""
    gc.collect()
    gc.freeze()
