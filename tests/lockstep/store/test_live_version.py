"""What is live: the gate's file decides, and `@live` shows it, whatever breaks off or is moved."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import orders_with_fates
from lockstep.artifacts.live_pointer import LivePointer, read_live, write_live
from lockstep.checks.check_results import CheckResult
from lockstep.dagster.instance import open_instance
from lockstep.store.live_version import Live, check_live, last_published
from lockstep.store.partition_records import Commit, Records
from tests.fixtures.homes import use_home
from tests.fixtures.orders import PROJECT, Workplace, copy_home, home_after

OLD, NEW, UNPROVEN = 1, 2, 3


@pytest.fixture(scope="module")
def three_versions(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three versions, the first of them live; to be copied."""

    def fit(place: Workplace) -> None:
        assert place.fit(place.declared) == UNPROVEN

    return home_after(fit, second_home, "three", tmp_path_factory)


@pytest.fixture
def place(
    three_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """A home of the test's own with three versions, the first of them live."""
    copy_home(three_versions, tmp_path / "home")
    use_home(tmp_path / "home", monkeypatch)
    with open_instance(PROJECT.home) as instance:
        yield Workplace(instance)


def live_of(place: Workplace) -> Live:
    return Live(place.registry, "orders", place.home.live("orders"))


def shown(place: Workplace) -> int | None:
    found = place.registry.alias("orders", "live")
    return None if found is None else found.version


def begin_move(place: Workplace, version: int = NEW) -> LivePointer:
    """The first write of a move, as a process leaves it that is killed after it."""
    pointer = LivePointer.to(place.registry.load("orders", version))
    pointer = replace(pointer, is_shown=False, before=shown(place))
    write_live(place.home.live("orders"), pointer)
    return pointer


def checked(place: Workplace) -> CheckResult:
    live = live_of(place)
    state = live.state()
    return check_live(live.load(state), state, last_published(place.declared, place.store))


def score(place: Workplace, day: str) -> bool:
    """Whether a day is published; upstream delivers it first."""
    rows: pd.DataFrame = orders_with_fates(date.fromisoformat(day))
    place.deliver(day, rows.drop(columns=["returned", "cost"]))
    return place.score(day).wrote("/published")


def test_what_the_gate_lets_serve_is_live_and_shown(place: Workplace) -> None:
    place.promote(NEW)
    state = live_of(place).state()
    assert (state.agrees, state.version, shown(place)) == (True, NEW, NEW)


@pytest.mark.parametrize("alias", [OLD, NEW])
def test_a_move_that_was_broken_off_is_carried_to_its_end_by_whoever_looks(
    place: Workplace, alias: int
) -> None:
    begin_move(place)
    place.registry.set_alias("orders", "live", alias)
    state = live_of(place).state()
    assert (state.version, shown(place)) == (NEW, NEW)
    assert read_live(place.home.live("orders")).is_shown
    assert checked(place).passed


def test_a_version_that_goes_live_as_the_first_is_shown_by_whoever_looks(place: Workplace) -> None:
    place.registry._connection.client.delete_registered_model_alias("orders", "live")
    begin_move(place)
    assert live_of(place).state().version == NEW
    assert shown(place) == NEW


def test_an_alias_that_is_moved_by_hand_is_left_there_and_found(place: Workplace) -> None:
    place.promote(NEW)
    place.registry.set_alias("orders", "live", OLD)
    found = checked(place)
    assert found.is_error
    assert f"@live is version {OLD} in the registry, but the gate let version {NEW} serve" in (
        found.summary
    )
    assert shown(place) == OLD


def test_an_alias_that_is_moved_by_hand_during_a_move_is_left_there_and_found(
    place: Workplace,
) -> None:
    begin_move(place)
    place.registry.set_alias("orders", "live", UNPROVEN)
    assert checked(place).is_error
    assert shown(place) == UNPROVEN


def test_an_alias_that_is_removed_by_hand_is_found(place: Workplace) -> None:
    place.registry._connection.client.delete_registered_model_alias("orders", "live")
    assert "@live points nowhere in the registry" in checked(place).summary


def test_the_code_of_a_version_that_is_made_live_by_hand_is_not_run(place: Workplace) -> None:
    place.registry.set_alias("orders", "live", UNPROVEN)
    live = live_of(place)
    assert live.load(live.state()).version == OLD


def test_a_registry_that_has_lost_the_live_version_is_found(place: Workplace) -> None:
    write_live(
        place.home.live("orders"),
        replace(read_live(place.home.live("orders")), version=7, before=1),
    )
    live = live_of(place)
    found = checked(place)
    assert found.is_error
    assert "registry has no version 7" in found.summary
    assert "promote PIPELINE 7" not in found.todo
    assert "lockstep train PIPELINE" in found.todo
    assert live.load(live.state()).version == 7
    assert shown(place) == OLD


def test_a_damaged_file_is_found_and_the_next_promotion_writes_it_anew(place: Workplace) -> None:
    path = place.home.live("orders")
    path.write_text("{")
    found = checked(place)
    assert found.is_error
    assert str(path) in found.summary
    place.promote(OLD)
    assert checked(place).passed


def test_copies_of_registry_and_file_of_before_the_last_partition_score_nothing(
    place: Workplace,
) -> None:
    path = place.home.live("orders")
    before = path.read_bytes()
    place.promote(NEW)
    assert score(place, "2020-03-01")
    path.write_bytes(before)
    place.registry.set_alias("orders", "live", OLD)
    assert not score(place, "2020-03-02")
    stopped = checked(place)
    assert "2020-03-01, which was published last, was scored by version 2" in stopped.summary
    place.promote(OLD)
    assert score(place, "2020-03-02")


def test_a_partition_that_an_earlier_version_scored_while_another_went_live_is_no_finding(
    place: Workplace,
) -> None:
    assert score(place, "2020-03-01")
    place.promote(NEW)
    assert checked(place).passed


def test_a_version_that_goes_live_once_the_clock_is_set_back_scores(place: Workplace) -> None:
    place.promote(NEW)
    path = place.home.live("orders")
    pointer = read_live(path)
    assert pointer is not None
    write_live(path, replace(pointer, since=pointer.since + timedelta(days=2)))
    assert score(place, "2020-03-01")
    place.promote(OLD)
    assert score(place, "2020-03-02")


# What was published last


def test_the_partition_that_was_published_last_is_told_however_its_files_were_copied(
    place: Workplace,
) -> None:
    days = ["2020-03-03", "2020-03-01"]
    for day in days:
        assert score(place, day)
    for age, day in enumerate(days):  # copied one after the other, the last one first
        os.utime(place.store.root / "daily" / "records" / f"{day}.json", (now(-age), now(-age)))
    last = last_published(place.declared, place.store)
    assert last is not None
    assert last.partition == "2020-03-01"


def test_only_what_may_have_been_published_last_is_read(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("2020-03-01", "2020-03-02"):
        assert score(place, day)
    path = place.store.root / "daily" / "records" / "2020-03-01.json"
    os.utime(path, (now(-100_000), now(-100_000)))
    read: list[str] = []
    commit_of = Records.commit_of

    def noted(records: Records, partition: str) -> Commit | None:
        read.append(partition)
        return commit_of(records, partition)

    monkeypatch.setattr(Records, "commit_of", noted)
    last = last_published(place.declared, place.store)
    assert last is not None
    assert {last.partition, *read} == {"2020-03-02"}


def now(seconds: int) -> float:
    """The time, so many seconds from now."""
    return time.time() + seconds
