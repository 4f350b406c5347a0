"""The only place where live room names are spelled."""

from __future__ import annotations


def venue(venue_id: int) -> str:
    """Name the public room of a venue: states and counts, for anybody."""
    return f"venue:{venue_id}"


def desk(venue_id: int) -> str:
    """Name the room of a venue's owner and staff: its bookings, with their guests."""
    return f"desk:{venue_id}"


def user(user_id: int) -> str:
    """Name a person's own room: their bookings and notifications."""
    return f"user:{user_id}"
