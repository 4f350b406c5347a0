"""What became free, held or taken, for everybody to see."""

from __future__ import annotations

from pydantic import BaseModel

from hub.events import Event
from hub.models.availability import Changes


class AvailabilityChanged(Event, name="availability.changed", audience=("venue",)):
    """Something at this venue is now free, held, taken or closed; the database writes the data."""

    @classmethod
    def data_model(cls) -> type[BaseModel]:
        """Answer the changes: what the database puts into the envelope."""
        return Changes
