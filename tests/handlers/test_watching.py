"""What only a socket may ask is answered in the words in which the same is written elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from handlers.documents import write
from handlers.watching import told
from hub.models.live import HubTime


@pytest.mark.parametrize("microsecond", [0, 1, 120_000, 999_999])
def test_the_time_is_told_as_any_other_time_is_written(microsecond: int) -> None:
    at = datetime(2026, 11, 20, 23, 59, 59, microsecond, UTC)
    assert told(at) == write(HubTime(at=at))
