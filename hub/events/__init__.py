"""What has happened: each fact declared once, by a name in the past tense."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

REGISTRY: dict[str, type[Event]] = {}


class Event(BaseModel):
    """A fact told to one kind of live room; `thing` is what travels as the envelope's data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    audience: ClassVar[tuple[str, ...]]

    @classmethod
    def __pydantic_init_subclass__(cls, *, name: str = "", audience: tuple[str, ...] = (), **_: Any) -> None:
        if not name:
            return
        if name in REGISTRY:
            raise TypeError(f"two events are named {name}")
        cls.name, cls.audience = name, audience
        REGISTRY[name] = cls

    def __init_subclass__(cls, *, name: str = "", audience: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

    def rooms(self) -> list[str]:
        """Name the live rooms that hear this."""
        raise NotImplementedError

    def data_json(self) -> str:
        """Write the envelope's data."""
        thing: BaseModel = getattr(self, "thing")  # noqa: B009 - declared by each subclass
        return thing.model_dump_json(by_alias=True)

    @classmethod
    def data_model(cls) -> type[BaseModel]:
        """Answer the model of the envelope's data."""
        annotation = cls.model_fields["thing"].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        return annotation


class Envelope(BaseModel):
    """How every fact travels: gapless versions per room, in commit order."""

    model_config = ConfigDict(frozen=True)

    room: str
    epoch: str
    version: int
    name: str
    at: str
    data: dict[str, Any]
