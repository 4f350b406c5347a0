"""The promises, in the order in which they are played, each with the guard that its control takes away."""

from __future__ import annotations

from hub.torture import (
    converging,
    crowding,
    delivering,
    holding,
    intruding,
    keeping,
    lasting,
    outages,
    paying,
    restarting,
    selling,
)
from hub.torture.play import Control, Promise
from storage import torture

_ALL = (
    Promise(
        "P1",
        "Nothing is sold twice",
        selling.sell_once,
        Control(rewriting=torture.WITHOUT_LOCKS, without_constraints=True),
    ),
    Promise(
        "P2",
        "A hold keeps its place exactly as long as it says",
        holding.hold_in_time,
        Control(changes=("no_sweeper",), rewriting=torture.EXPIRED_STILL_BLOCK),
    ),
    Promise(
        "P3",
        "Nothing acknowledged is ever lost",
        keeping.keep_what_was_acknowledged,
        Control(postgres={"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}),
    ),
    Promise("P4", "Any request may be asked again", keeping.ask_again, Control(changes=("no_repeats",))),
    Promise("P5", "Money adds up, always", paying.add_up, Control(rewriting=torture.WALLETS_UNLOCKED)),
    Promise(
        "P7",
        "Every event is seen once and in order",
        delivering.deliver,
        Control(changes=("no_gap_repair",)),
    ),
    Promise(
        "P8",
        "A snapshot and the events after it make a fresh one",
        converging.converge,
        Control(changes=("no_telling",)),
    ),
    Promise(
        "P9",
        "A slow client slows nobody and costs little",
        crowding.tolerate_the_slow,
        Control(changes=("no_sending_limit",)),
    ),
    Promise("P10", "An abusive client is cut at once", intruding.cut_the_abusive, Control(changes=("no_bucket",))),
    Promise(
        "P11",
        "Sockets that say nothing are few and short-lived",
        intruding.bear_the_silent,
        Control(changes=("no_greeting_deadline",)),
    ),
    Promise(
        "P14",
        "Redis is not needed for correctness",
        outages.go_on_without_redis,
        Control(changes=("no_gap_repair",)),
    ),
    Promise(
        "P15",
        "A worker's crash is no more than a reconnect",
        restarting.survive_crashes,
        Control(changes=("no_fence",)),
    ),
    Promise(
        "P16", "A new release loses nothing", restarting.restart_without_loss, Control(changes=("no_time_to_finish",))
    ),
    Promise(
        "P17",
        "An outage of the database is honest and short",
        outages.fail_honestly,
        Control(changes=("no_patience_limit",)),
    ),
    Promise(
        "P19",
        "A clock that leaps changes nothing of value",
        lasting.ignore_clocks,
        Control(changes=("no_clock_of_the_database",)),
    ),
    Promise("P20", "Everybody may come back at once", crowding.survive_the_storm, Control(changes=("no_resume",))),
    Promise("P26", "The hub stays flat", lasting.stay_flat, Control(changes=("leak",))),
)

PROMISES: dict[str, Promise] = {promise.id: promise for promise in _ALL}
