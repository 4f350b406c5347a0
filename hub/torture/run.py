"""A whole run: the promises one after the other, by one seed, with a table at the end."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import HubError
from hub.torture.play import CAME_TO_ITS_END, Promise, Row, Scale, play
from hub.torture.promises import PROMISES
from hub.torture.servers import run_servers
from hub.torture.table import known_at_once, table_of
from storage import torture


class PromiseBroken(HubError):
    """A promise was broken; the table says which, and the seed plays the same again."""

    code, status = "promise_broken", 500


@dataclass(frozen=True, slots=True)
class Options:
    """What is played, and how."""

    scale: Scale = field(default_factory=Scale)
    only: tuple[str, ...] = ()
    seed: str = ""
    # With the guards taken away, to see that each promise is then found broken.
    control: bool = False


def chosen(only: Sequence[str]) -> list[Promise]:
    """List the promises that are named, or all."""
    unknown = sorted(set(only) - PROMISES.keys())
    if unknown:
        raise PromiseBroken(f"There is no promise {', '.join(unknown)}; there are {', '.join(PROMISES)}.")
    return [promise for name, promise in PROMISES.items() if not only or name in only]


async def run(options: Options, say: Callable[[str], None] = print) -> list[Row]:
    """Play, print the table, and raise `PromiseBroken` unless every promise held, or, in a control, was broken."""
    promises = chosen(options.only)
    seed = options.seed or secrets.token_hex(4)
    began = time.monotonic()
    say(f"seed {seed}, load {options.scale.load:g}, {os.cpu_count()} cores{', guards taken away' * options.control}")
    rows: list[Row] = []
    # Its pools would tell of every attempt while PostgreSQL is killed.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    for durable, sharing in _by_durability(promises, control=options.control):
        with tempfile.TemporaryDirectory(prefix="hub-torture-", dir=_folder(options.scale)) as folder:
            # PostgreSQL runs as somebody else where root starts it, and has to pass through.
            Path(folder).chmod(0o711)  # noqa: ASYNC240 - nothing else runs yet
            async with run_servers(Path(folder), durable) as servers:
                template = await torture.make_template(servers.postgres.url)
                for promise in sharing:
                    rows.append(await play(promise, servers, template, seed, options.scale, controlled=options.control))
                    say(known_at_once(rows[-1]))
    say(f"\n{table_of(rows)}\nseed {seed}, {time.monotonic() - began:.0f} s")
    _judge(rows, seed, control=options.control)
    return rows


def _by_durability(promises: Sequence[Promise], *, control: bool) -> list[tuple[dict[str, str], list[Promise]]]:
    """Put promises together that need the same PostgreSQL; only a control changes it."""
    groups: list[tuple[dict[str, str], list[Promise]]] = []
    for promise in promises:
        wanted = promise.control.postgres if control else {}
        for durable, sharing in groups:
            if durable == wanted:
                sharing.append(promise)
                break
        else:
            groups.append((wanted, [promise]))
    return groups


def _folder(scale: Scale) -> str | None:
    # What processes survive does not depend on the disk, so the short version spares it.
    memory = Path("/dev/shm")  # noqa: S108
    return str(memory) if scale.is_quick and memory.is_dir() else None


def _judge(rows: Sequence[Row], seed: str, *, control: bool) -> None:
    if control:
        # A fault that never bit proves as little here as there.
        green = [
            row.promise.id for row in rows if all(mark.what == CAME_TO_ITS_END or mark.is_speed for mark in row.broken)
        ]
        if green:
            raise PromiseBroken(f"Without their guards these still seem to hold: {', '.join(green)}; seed {seed}.")
    elif broken := [f"{row.promise.id}{' (only slow)' * row.is_only_slow}" for row in rows if not row.holds]:
        raise PromiseBroken(f"Broken: {', '.join(broken)}; play it again with --seed {seed}.")
