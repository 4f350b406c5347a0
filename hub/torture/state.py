"""What a follower knows, made of a snapshot and the events after it: static/js/live-state.js in Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

State = dict[str, Any]

_COLLECTIONS = {
    "room_type": "room_types",
    "room": "rooms",
    "session": "sessions",
    "closure": "closures",
    "booking": "bookings",
}


def begin(snapshot: State) -> State:
    """Make the state that a snapshot stands for: every list by its things' ids."""
    return {name: _listed(name, part) if isinstance(part, list) else part for name, part in snapshot.items()}


def _listed(name: str, part: Iterable[Any]) -> State:
    key = key_of if name == "availability" else lambda thing: str(thing["id"])
    return {key(thing): thing for thing in part}


def key_of(change: State) -> str:
    """Name what a change of availability is about."""
    if change["kind"] == "room":
        return f"room:{change['room_id']}:{change['starts_at']}:{change['ends_at']}"
    if change["kind"] == "night":
        return f"night:{change['room_type_id']}:{change['night']}"
    return f"session:{change['session_id']}"


def apply(state: State, name: str, data: Any) -> None:
    """Change the state by an event."""
    subject, _, action = name.partition(".")
    if name == "availability.changed":
        for change in data["changes"] if "availability" in state else ():
            _change(state["availability"], change)
    elif subject in {"venue", "user"}:
        if state.get(subject):
            state[subject] = None if action == "deleted" else data
        if subject == "user":
            _call_anew(state, data)
    elif subject == "guest":
        _call_anew(state, data)
    elif (things := state.get(_COLLECTIONS.get(subject, ""))) is not None:
        if action in {"deleted", "withdrawn"}:
            things.pop(str(data["id"]), None)
            _forget(state, subject, data["id"])
        else:
            things[str(data["id"])] = data


def _change(known: State, change: State) -> None:
    is_room, is_night = change["kind"] == "room", change["kind"] == "night"
    is_free = change["state"] == "free" if is_room else is_night and not change["taken"] and not change["held"]
    if is_free:
        known.pop(key_of(change), None)
    else:
        known[key_of(change)] = change


def _forget(state: State, subject: str, thing_id: int) -> None:
    begins = {"room": f"room:{thing_id}:", "room_type": f"night:{thing_id}:", "session": f"session:{thing_id}"}
    if subject not in begins or "availability" not in state:
        return
    gone = begins[subject]
    state["availability"] = {
        key: change
        for key, change in state["availability"].items()
        if not (key == gone if subject == "session" else key.startswith(gone))
    }


def _call_anew(state: State, person: State) -> None:
    guest = {name: person.get(name) for name in ("id", "full_name", "email", "phone")}
    for key, booking in state.get("bookings", {}).items():
        if booking["guest"]["id"] == person["id"]:
            state["bookings"][key] = {**booking, "guest": guest}
