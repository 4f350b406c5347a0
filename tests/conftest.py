"""What every test may ask for, and in which order the tests run."""

import pytest

pytest_plugins = ["tests.servers", "tests.doors", "tests.openid", "tests.bucket", "tests.receivers"]

# The longest run first, so that at the end nobody waits for one of them alone.
LONGEST = (
    "tests/torture/test_promises.py",
    "tests/hub/test_bench.py",
    "tests/reference/test_import.py",
    "tests/live/test_equality.py",
    "tests/live/test_workers.py",
    "tests/contracts/test_schemathesis.py",
    "tests/live/test_revoking.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the longest tests first; the sort leaves the rest as it is."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(LONGEST)))
