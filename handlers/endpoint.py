"""@endpoint: one declaration is an HTTP route, a Socket.IO command and their documentation."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_type_hints

from pydantic import BaseModel

from hub.core import Actor, Hub

if TYPE_CHECKING:
    from handlers.followed import Followed

EVERYBODY = "everybody"
SIGNED_IN = "signed_in"

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])
# Which live room an ask of this person is about.
Follows: TypeAlias = "Callable[[Actor, Any], Followed[Any]]"


@dataclass(frozen=True, slots=True)
class Call:
    """One request over either wire: the hub, and who asks."""

    hub: Hub
    actor: Actor
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the endpoint table."""

    name: str
    method: str
    path: str
    may: str
    status: int
    repeatable: bool
    tells: tuple[str, ...]
    over_socket: bool
    in_person: bool
    follows: Follows | None
    ask: type[BaseModel] | None
    answer: Any
    handler: Callable[..., Awaitable[Any]]
    sentence: str
    description: str = ""
    subject: str = ""
    refusals: tuple[str, ...] = field(default=())


TABLE: dict[str, Endpoint] = {}


def endpoint(
    name: str,
    route: str,
    *,
    may: str = SIGNED_IN,
    status: int = 200,
    repeatable: bool = False,
    tells: tuple[str, ...] = (),
    over_socket: bool = True,
    in_person: bool = False,
    follows: Follows | None = None,
) -> Callable[[Handler], Handler]:
    """Put a handler into the table.

    `may` is EVERYBODY, SIGNED_IN or a permission `resource:action`; ownership is judged in the service.
    `repeatable` endpoints honour an Idempotency-Key; `tells` names the events a call may cause. What is to be done
    `in_person` nobody may do who acts for somebody else: money, how one logs in, one's data as a whole. What tells of a
    live room `follows` it: over HTTP it may be waited for, or come as a stream.
    """
    method, path = route.split(" ", 1)

    def declare(handler: Handler) -> Handler:
        if name in TABLE:
            raise TypeError(f"two endpoints are named {name}")
        hints = get_type_hints(handler)
        parameters = list(inspect.signature(handler).parameters)
        document = inspect.getdoc(handler)
        if not document:
            raise TypeError(f"{name} has no docstring; it is the API text")
        sentence, _, description = document.partition("\n")
        TABLE[name] = Endpoint(
            name=name,
            method=method,
            path=path,
            may=may,
            status=status,
            repeatable=repeatable,
            tells=tells,
            over_socket=over_socket,
            in_person=in_person,
            follows=follows,
            ask=hints[parameters[1]] if len(parameters) > 1 else None,
            answer=hints.get("return"),
            handler=handler,
            sentence=sentence,
            description=description.strip(),
            subject=name.partition(".")[0],
        )
        return handler

    return declare
