"""Checking in: the code that a guest shows, and the desk that reads it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hub.models.base import Ask, Id, Line


class CheckIn(Ask):
    """A guest's code, as a desk has read it."""

    code: Annotated[Line, Field(min_length=1, max_length=100)]
    venue_id: Id | None = Field(
        default=None, description="Where; only needed by whoever works at several venues of the booking."
    )
