"""What an item costs: a rate times nights, hours or places, in minor units, rounded half up once at the end."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hub.models.room_types import RoomType


def rate(room_type: RoomType) -> int:
    """Answer what one night or hour costs, the type's own discount taken off; minor units."""
    return _whole(Decimal(room_type.price) * (100 - Decimal(str(room_type.discount_percentage))) / 100)


def stay(room_type: RoomType, nights: int, quantity: int) -> int:
    """Price a stay; minor units."""
    return rate(room_type) * nights * quantity


def slot(room_type: RoomType, minutes: int) -> int:
    """Price some minutes at an hourly rate; minor units."""
    return _whole(Decimal(rate(room_type)) * minutes / 60)


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
