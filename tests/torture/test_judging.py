"""The judges of the fault runs are judged: each finds what it is there for."""

from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from hub.torture import careless, table
from hub.torture.asking import percentile
from hub.torture.follower import Crowd, Follower, Seen, checksum
from hub.torture.intruding import MALFORMED
from hub.torture.judging import compared
from hub.torture.play import Control, Mark, Play, Promise, Row, Scale
from hub.torture.promises import PROMISES
from hub.torture.run import PromiseBroken, chosen
from storage import torture
from tests.doors import ListeningHub
from tests.ground.test_command_line import run as command


async def nothing(play: Play) -> None:
    """Play nothing."""


PROMISE = Promise("P0", "Nothing happens", nothing, Control())
LOG = {version: checksum("booking.confirmed", {"id": version}) for version in range(1, 6)}


def follower(*versions: int, began: int = 0) -> Follower:
    crowd = Crowd(Random(1), list)
    one = Follower(crowd, "desks", {}, None, 1)
    one.room, one.began = "desk:1", began
    one.shown = [Seen(version, version, LOG[version]) for version in versions]
    return one


def test_who_was_shown_the_log_is_content() -> None:
    assert compared(follower(1, 2, 3, 4, 5), LOG, 5) == []
    assert compared(follower(4, 5, began=3), LOG, 5) == []


@pytest.mark.parametrize("shown", [(1, 2, 4, 5), (1, 2, 2, 3, 4, 5), (1, 3, 2, 4, 5), (1, 2, 3, 4)])
def test_what_is_missing_doubled_or_swapped_is_found(shown: tuple[int, ...]) -> None:
    assert compared(follower(*shown), LOG, 5)


def test_what_was_shown_otherwise_than_told_is_found() -> None:
    one = follower(1, 2, 3, 4, 5)
    one.shown[2] = Seen(3, 3, checksum("booking.confirmed", {"id": 33}))
    assert compared(one, LOG, 5) == ["desk:1: 3 was shown otherwise than it was told"]


def test_a_state_that_stands_for_several_versions_is_no_gap() -> None:
    one = follower(1, 5)
    one.shown[1] = Seen(2, 5, 0)
    assert compared(one, LOG, 5) == []


async def test_a_follower_notes_gaps_and_what_comes_twice() -> None:
    one = follower()
    one._begin({"room": "desk:1", "version": 1, "epoch": "e", "snapshot": {}})
    for version in (2, 4, 4, 3, 5):
        one._take({"version": version, "name": "booking.confirmed", "data": {"id": version}})
    assert one.faults == ["missed 3 to 3", "was shown 4 again after 4", "was shown 3 again after 4", "missed 4 to 4"]


def row(*marks: Mark, bitten: dict[str, int] | None = None) -> Row:
    return Row(PROMISE, "a load", Counter(bitten or {}), list(marks), 1.0)


def test_a_fault_that_never_bit_proves_nothing() -> None:
    assert row(Mark("all is well", True, ""), bitten={"worker killed": 1}).holds
    toothless = row(Mark("all is well", True, ""), bitten={"worker killed": 0})
    assert not toothless.holds
    assert "NO BITE worker killed" in table.known_at_once(toothless)


def test_speed_is_judged_in_a_full_run_only() -> None:
    def judged(*, is_quick: bool) -> Row:
        play: Any = SimpleNamespace(marks=[], is_quick=is_quick)
        Play.within(play, "seconds", 3, 2)
        return row(*play.marks)

    assert judged(is_quick=True).holds
    assert not judged(is_quick=False).holds
    assert "slow    seconds: 3 of 2 s" in table.known_at_once(judged(is_quick=True))


def test_loads_shrink_and_are_told() -> None:
    play: Any = SimpleNamespace(scale=Scale(load=0.5), is_quick=False, loads=[])
    assert Play.many(play, 150, 20, "followers") == 75
    assert Play.lasts(play, 120, 12) == 120
    assert play.loads == ["75 followers", "120 s"]


def test_a_promise_that_does_not_exist_is_not_played() -> None:
    assert [promise.id for promise in chosen(["P7"])] == ["P7"]
    with pytest.raises(PromiseBroken, match="There is no promise P99"):
        chosen(["P7", "P99"])


def test_every_promise_has_a_control_and_sentences_of_its_own() -> None:
    assert all(promise.control != Control() for promise in PROMISES.values())
    assert len({promise.sentence for promise in PROMISES.values()}) == len(PROMISES) == 17
    assert len(MALFORMED) == 30


def test_percentiles() -> None:
    assert percentile([], 0.5) == 0
    assert percentile(list(range(1, 101)), 0.95) == 96


def test_every_guard_that_a_control_takes_away_is_there(tmp_path: Path) -> None:
    changes = [name for name in careless.CHANGES if name != "clock"]
    ended = command(tmp_path, "-m", "hub.torture.careless", *changes, "clock=3600", "--", "describe", "--help")
    assert ended.returncode == 0, ended.stderr
    named = {change for promise in PROMISES.values() for change in promise.control.changes}
    assert named <= careless.CHANGES.keys()


async def test_every_word_that_a_control_rewrites_is_there(hub: ListeningHub) -> None:
    for promise in PROMISES.values():
        await torture.rewrite(hub.pool, promise.control.rewriting)
    with pytest.raises(LookupError, match="has no"):
        await torture.rewrite(hub.pool, torture.WITHOUT_LOCKS)
    await torture.drop_constraints(hub.pool)
