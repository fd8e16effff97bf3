"""What is live: the gate's file decides, and `@live` shows it, whatever breaks off or is moved."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from sklearn.linear_model import LogisticRegression

from lockstep.artifacts.pointers import read_live, write_live
from lockstep.registry import live as live_module
from lockstep.registry.live import KeptLive, Live
from lockstep.scoring.live_check import check_live, last_published
from lockstep.store.partition_records import Commit, Records
from lockstep.store.results import CheckResult
from tests.fixtures.orders import Workplace
from tests.fixtures.registries import Killed, killed_after

OLD, NEW, UNPROVEN = 1, 2, 3


@pytest.fixture
def place(three_versions: Workplace) -> Workplace:
    """A home of the test's own with three versions, the first of them live."""
    return three_versions


def shown(place: Workplace) -> int | None:
    found = place.registry.alias("orders", "live")
    return None if found is None else found.version


def begin_move(place: Workplace, version: int = NEW, writes: int = 1) -> None:
    """A move, as a process leaves it that is killed after so many writes to the registry."""
    registry = killed_after(place.home.registry(), writes)
    live = Live(registry, "orders", place.home.live("orders"))
    with pytest.raises(Killed), live.alone():
        live.move(registry.load("orders", version))


def checked(place: Workplace) -> CheckResult:
    live = place.serving
    state = live.take_over()
    return check_live(live.load(state), state, last_published(place.declared, place.store))


@pytest.mark.parametrize("alias", [OLD, NEW])
def test_a_move_that_broke_off_is_carried_to_its_end_by_whoever_looks(
    place: Workplace, alias: int
) -> None:
    begin_move(place)
    place.registry.set_alias("orders", "live", alias)
    state = place.serving.take_over()
    assert (state.agrees, state.version, shown(place)) == (True, NEW, NEW)
    assert checked(place).passed


def test_a_version_that_goes_live_as_the_first_is_shown_by_whoever_looks(place: Workplace) -> None:
    place.registry._connection.client.delete_registered_model_alias("orders", "live")
    begin_move(place)
    assert place.serving.take_over().version == NEW
    assert shown(place) == NEW


def test_an_alias_that_is_moved_by_hand_is_left_there_and_found(place: Workplace) -> None:
    place.let_serve(NEW)
    place.registry.set_alias("orders", "live", OLD)
    found = checked(place)
    assert found.is_error
    assert f"@live is version {OLD} in the registry (which was let serve before" in found.summary
    assert f"but version {NEW} was let serve last, on" in found.summary
    assert str(place.home.path) in found.summary
    assert shown(place) == OLD


def test_an_alias_that_is_moved_by_hand_during_a_move_is_left_there(place: Workplace) -> None:
    begin_move(place)
    place.registry.set_alias("orders", "live", UNPROVEN)
    assert checked(place).is_error
    assert shown(place) == UNPROVEN


@pytest.mark.parametrize("damage", ["{", "edited", None])
def test_a_file_of_the_home_is_written_anew_and_told_once(
    place: Workplace, damage: str | None
) -> None:
    place.let_serve(NEW)
    path = place.home.live("orders")
    whole = path.read_text()
    path.unlink()
    if damage is not None:
        path.write_text(whole.replace('"version": 2', '"version": 1') if damage != "{" else "{")
    live = place.serving
    state = live.take_over()
    told = check_live(live.load(state), replace(state, mended=live.registry.mended()), None)
    assert (told.result, told.passed) == ("warned", False)
    assert str(path) in told.summary
    assert "is taken from the registry anew" in told.summary
    assert path.read_text() == whole
    assert place.publishes("2020-03-01")
    again = live.take_over()
    assert live.registry.mended() == ()
    assert check_live(live.load(again), again, None).passed


def test_an_alias_that_is_removed_by_hand_is_found(place: Workplace) -> None:
    place.registry._connection.client.delete_registered_model_alias("orders", "live")
    assert "@live points nowhere in the registry" in checked(place).summary


def test_the_code_of_a_version_that_is_made_live_by_hand_is_not_run(place: Workplace) -> None:
    place.registry.set_alias("orders", "live", UNPROVEN)
    live = place.serving
    assert live.load(live.state()).version == OLD


def test_a_registry_that_has_lost_the_live_version_is_found(place: Workplace) -> None:
    place.let_serve(NEW)
    files = read_live(place.home.live("orders")).directory
    place.registry._connection.client.delete_model_version("orders", str(NEW))
    live = place.serving
    found = checked(place)
    assert found.is_error
    assert f"registry has no version {NEW}" in found.summary
    assert str(files) in found.summary
    assert f"promote PIPELINE {NEW}" not in found.todo
    assert "lockstep train PIPELINE" in found.todo
    assert live.load(live.state()).version == NEW


def test_a_file_that_was_edited_to_name_another_version_is_written_anew(place: Workplace) -> None:
    unproven = place.registry.load("orders", UNPROVEN)
    path = place.home.live("orders")
    pointer = replace(
        read_live(path), version=UNPROVEN, digest=unproven.digest, directory=unproven.directory
    )
    write_live(path, pointer)
    assert not place.serving.state().is_taken
    assert checked(place).passed
    assert read_live(path).version == OLD


def test_a_decision_that_was_edited_by_hand_is_found(place: Workplace) -> None:
    (decision,) = place.serving.state().decisions.log
    tag = place.registry.model("orders").tags[decision.key]
    place.registry.tag_model("orders", decision.key, tag.replace('"version": 1', '"version": 2'))
    found = checked(place)
    assert found.is_error
    assert "has been edited since it was written; nothing is scored" in found.summary
    place.let_serve(OLD)
    assert checked(place).passed


def database(place: Workplace) -> Path:
    return place.home.mlflow / "mlflow.db"


def copied(place: Workplace) -> bytes:
    """The registry's database as it is now."""
    with closing(sqlite3.connect(database(place))) as open_now:
        return open_now.serialize()


def test_an_older_copy_of_the_registry_scores_nothing(place: Workplace) -> None:
    before = copied(place)
    place.let_serve(NEW)
    database(place).write_bytes(before)
    place.registry = place.home.registry()
    found = checked(place)
    assert found.is_error
    assert f"This home serves version {NEW} since" in found.summary
    assert "by a decision that the registry does not hold" in found.summary
    place.let_serve(NEW)
    assert checked(place).passed


def test_copies_of_registry_and_file_of_before_a_partition_score_nothing(place: Workplace) -> None:
    path = place.home.live("orders")
    file, registry = path.read_bytes(), copied(place)
    place.let_serve(NEW)
    assert place.publishes("2020-03-01")
    path.write_bytes(file)
    database(place).write_bytes(registry)
    place.registry = place.home.registry()
    assert not place.publishes("2020-03-02")
    stopped = checked(place)
    assert "2020-03-01, which was published last, was scored by version 2" in stopped.summary
    place.let_serve(OLD)
    assert place.publishes("2020-03-02")


def test_a_partition_that_an_earlier_version_scored_is_no_finding(place: Workplace) -> None:
    assert place.publishes("2020-03-01")
    place.let_serve(NEW)
    assert checked(place).passed


def test_a_version_that_goes_live_once_the_clock_is_set_back_scores(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    with monkeypatch.context() as patch:
        patch.setattr(live_module, "datetime", Mock(wraps=datetime, now=lambda _: ahead))
        place.let_serve(NEW)
    assert place.publishes("2020-03-01")
    place.let_serve(OLD)
    assert place.publishes("2020-03-02")


# What another home of the registry decided


@pytest.fixture
def beside(place: Workplace, tmp_path: Path) -> Live:
    """The live version in another home of the same registry."""
    return Live(place.home.registry(), "orders", tmp_path / "beside" / "live" / "orders.json")


@pytest.fixture
def behind(place: Workplace, beside: Live) -> Live:
    """Another home, which serves the old version while the new one was decided on."""
    assert beside.take_over().version == OLD
    place.let_serve(NEW)
    return beside


def test_another_home_takes_over_what_it_has_replayed(place: Workplace, beside: Live) -> None:
    place.let_serve(NEW)
    state = beside.take_over()
    result = check_live(beside.load(state), state, None)
    assert (state.agrees, state.version, result.passed) == (True, NEW, True)
    assert f"in {place.home.path} on" in result.summary


def test_another_home_in_which_golden_records_differ_keeps_its_version(
    behind: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = LogisticRegression.predict_proba
    swapped = lambda model, rows: predict(model, rows)[:, ::-1]  # noqa: E731
    monkeypatch.setattr(LogisticRegression, "predict_proba", swapped)
    state = behind.take_over()
    result = check_live(behind.load(state), state, None)
    assert (state.agrees, state.version) == (False, OLD)
    assert (result.passed, result.is_error) == (False, False)
    assert f"Version {NEW} is live since" in result.summary
    assert f"this home goes on with version {OLD}: " in result.summary
    assert "return_probability" in result.summary


def test_a_decision_that_a_run_does_not_take_over_is_replayed_once(
    behind: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Mock(return_value="other values came out")
    monkeypatch.setattr(live_module, "unproven", replay)
    kept = KeptLive(behind.registry, behind.name, behind.path)
    refused = [kept.take_over().refused for _ in range(3)]
    assert (refused, replay.call_count) == (["other values came out"] * 3, 1)


def test_a_home_whose_first_version_is_not_proven_there_scores_nothing(
    place: Workplace, beside: Live
) -> None:
    (place.registry.load("orders", OLD).directory / "profile.json").write_text("{}")
    state = beside.take_over()
    assert state.taken is None
    assert "profile.json" in (state.refused or "")


# What was published last


def test_the_partition_that_was_published_last_is_told_of_copied_files(place: Workplace) -> None:
    days = ["2020-03-03", "2020-03-01"]
    for day in days:
        assert place.publishes(day)
    for age, day in enumerate(days):  # copied one after the other, the last one first
        os.utime(place.store.root / "daily" / "records" / f"{day}.json", (now(-age), now(-age)))
    last = last_published(place.declared, place.store)
    assert last is not None
    assert last.partition == "2020-03-01"


def test_only_what_may_have_been_published_last_is_read(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("2020-03-01", "2020-03-02"):
        assert place.publishes(day)
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
