"""Drift over days that are scored in any order, again, or after a gap: each change is told once."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from assets.orders import ASSETS
from lockstep.checks.check_results import attempted
from lockstep.checks.drift_checks import Population
from lockstep.checks.streams import stream_records
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.schema import Field, Schema
from lockstep.constraints.constraint_set import discover
from lockstep.constraints.drift import drift
from lockstep.parity.changes import Changes
from lockstep.parity.profiles import Profile
from lockstep.scoring.drifting import Followed, changes_before, follow
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records

KINDS = {"level": Kind.FLOAT, "speed": Kind.FLOAT}
ROWS, TRAINED = 100, 30
VERSION, OTHER = "a" * 64, "b" * 64


def readings(seed: int, rows: int, lift: float = 0.0) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "name": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "level": rng.normal(lift, 1, rows),
        "speed": rng.normal(50, 5, rows),
    }


TRAINING = readings(0, TRAINED * ROWS)
PROFILE = Profile.of(TRAINING, KINDS)
KEY = Field("name", "str", role="key")
SCHEMA = Schema("Reading", (KEY, Field("level", "float"), Field("speed", "float")))
LEARNT = discover(TRAINING, SCHEMA, population=True)
"""The training has no days: blocks of its rows stand for them."""


@dataclass(frozen=True)
class Version:
    """As much of a version as its drift is followed by."""

    digest: str = VERSION


def day(number: int) -> str:
    return f"2020-{1 + number // 28:02}-{1 + number % 28:02}"


@cache
def batch(number: int, lift: float = 0.0) -> Population:
    rows = readings(1000 + number, ROWS, lift)
    found = drift(LEARNT, rows)
    return Population(found, LEARNT, PROFILE, Profile.of(rows, KINDS))


def shares(now: Population) -> dict[str, float]:
    return {one.column: one.share for one in now.found}


def score(
    records: Records,
    partition: str,
    now: Population,
    *,
    version: str = VERSION,
    published: bool = True,
) -> Followed:
    """What a run of a partition does, as far as drift is concerned."""
    with records.step(partition, "batch", "run") as attempt:
        found = follow(records, partition, "batch", Version(version), attempted(lambda: now))  # type: ignore[arg-type]
        attempt.keep("batch", StepRecord(facts=found.facts))
        attempt.write_columns("published", {"x": np.array([1])})
        attempt.keep("published", StepRecord())
        if published:
            records.commit(attempt)
    return found


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return stream_records(ASSETS, Store(tmp_path), "daily")


def results(records: Records, lifts: Mapping[int, float]) -> dict[int, str]:
    return {
        number: score(records, day(number), batch(number, lift)).result.result
        for number, lift in lifts.items()
    }


def test_a_lasting_change_warns_once(records: Records) -> None:
    found = results(records, {number: 3.0 * (number >= 5) for number in range(12)})
    assert [number for number, result in found.items() if result == "warned"] == [5]


def test_a_gap_does_not_begin_a_change_anew(records: Records) -> None:
    assert results(records, {0: 3.0, 90: 3.0}) == {0: "warned", 90: "passed"}


def test_a_file_that_is_scored_again_goes_on_from_files_that_came_before_it(
    tmp_path: Path,
) -> None:
    inbox = stream_records(ASSETS, Store(tmp_path), "inbox")
    for name in ("b.csv", "a.csv", "b.csv"):
        found = score(inbox, name, batch(1, 3.0))
    assert found.result.result == "warned"


def test_a_damaged_record_of_the_day_before_fails_the_check_and_names_it(records: Records) -> None:
    score(records, day(0), batch(0))
    (records.root / "attempts" / day(0) / "1" / "record.json").write_text("{}")
    found = score(records, day(1), batch(1), published=False)
    assert (found.result.result, found.facts) == ("failed", {})
    assert day(0) in found.result.summary


class Drifts(RuleBasedStateMachine):
    """Days scored in any order and again, some of them blocked, by one version or another."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.records = stream_records(ASSETS, Store(Path(self.folder.name)), "daily")
        self.lifts: dict[int, float] = {}
        self.published: dict[int, Changes] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(
        number=st.integers(0, 11),
        lift=st.sampled_from([0.0, 0.5, 3.0]),
        version=st.sampled_from([VERSION, VERSION, OTHER]),
        published=st.sampled_from([True, True, False]),
    )
    def a_day_is_scored(self, number: int, lift: float, version: str, published: bool) -> None:
        now = batch(number, lift)
        found = score(self.records, day(number), now, version=version, published=published)
        earlier = [one for one in self.published if one < number]
        before = self.published[max(earlier)] if earlier else Changes(version)
        if before.version != version:
            before = Changes(version)
        expected = before.after(day(number), shares(now))
        assert msgspec.convert(found.facts["changes"], Changes) == expected
        assert (found.result.result == "warned") == bool(expected.beginning(day(number)))
        if published:
            self.published[number], self.lifts[number] = expected, lift

    @rule()
    def all_days_are_scored_again_in_order(self) -> None:
        """Whatever happened before, they tell what they would have told in order at first."""
        changes = Changes(VERSION)
        for number in sorted(self.published):
            now = batch(number, self.lifts[number])
            found = score(self.records, day(number), now)
            changes = self.published[number] = changes.after(day(number), shares(now))
            assert (found.result.result == "warned") == bool(changes.beginning(day(number)))

    @invariant()
    def what_is_recorded_is_what_was_published_last(self) -> None:
        for number, changes in self.published.items():
            following = day(number + 1)
            assert changes_before(self.records, following, "batch", changes.version) == changes


Drifts.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
test_drift_is_sound_in_whatever_order_days_are_scored = Drifts.TestCase
