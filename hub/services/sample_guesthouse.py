"""A guesthouse of the sample world that is booked by payment: on a deposit, by milestones or in full, with offers."""

from __future__ import annotations

from typing import Any

VENUE: dict[str, Any] = {
    "name": "Riverside Guesthouse",
    "kind": "hotel",
    "description": "Wooden rooms around a pool, ten minutes by bicycle from the temples. Paid when it is booked.",
    "timezone": "Asia/Phnom_Penh",
    "currency": "USD",
    "address": "River Road 7",
    "city": "Siem Reap",
    "country": "Cambodia",
    "latitude": 13.3633,
    "longitude": 103.8564,
    "star_rating": 3,
    "amenities": ["Wi-Fi", "Pool", "Bicycles"],
    "confirmation": "payment",
    "max_nights": 60,
    "advance_days": 365,
    "terms": {
        "taxes": [{"name": "VAT", "basis_points": 1000}],
        "plans": ["deposit", "milestone", "full"],
        "full_bonus": ["Airport transfer"],
        "missed": "cancel",
        "cancellation_steps": [
            {"hours_before": 336, "refund_percent": 100},
            {"hours_before": 72, "refund_percent": 50},
            {"hours_before": 24, "refund_percent": 20},
        ],
        "refund_approval_above": 10_000,
        "student_percent": 10,
        "points_basis_points": 100,
        "point_value": 1,
    },
}
ROOM_TYPES: tuple[dict[str, Any], ...] = (
    {"name": "Garden room", "capacity": 2, "price": 4500, "total_rooms": 8, "bed_type": "double", "size_sqm": 20},
    {"name": "Pool villa", "capacity": 4, "price": 12_000, "total_rooms": 2, "bed_type": "two doubles", "size_sqm": 55},
)
# Of the first room type.
RATES: tuple[dict[str, Any], ...] = ({"name": "Weekend", "weekdays": ["fri", "sat"], "percent": 120},)
ADDONS: tuple[dict[str, Any], ...] = (
    {
        "name": "Breakfast",
        "description": "Rice soup, fruit and coffee, each morning.",
        "price": 500,
        "price_per": "night",
    },
    {"name": "Bicycle", "description": "For as long as you stay.", "price": 1000, "stock": 6},
    {"name": "Sunrise tour", "description": "By tuk-tuk to the temples.", "price": 2500, "price_per": "guest"},
)
OFFERS: tuple[dict[str, Any], ...] = (
    {"code": "RIVER10", "description": "A tenth off.", "basis_points": 1000, "total_limit": 500},
    {"code": "LONGSTAY", "description": "$40 off from $300.", "amount": 4000, "minimum": 30_000, "total_limit": 100},
)
