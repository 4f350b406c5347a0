"""What everybody knows is compared here, however long it takes."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _patient(patient: None) -> None:
    """Let no busy machine refuse a crowd."""
