"""What is said of columns that are far from training, and of changes that begin."""

from collections.abc import Sequence

import numpy as np

from lockstep.checks.drift_checks import Population, check_changes, check_drift
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.schema import Field, Schema
from lockstep.constraints.constraint_set import ConstraintSet, discover
from lockstep.constraints.drift import drift
from lockstep.parity.changes import Change, Changes
from lockstep.parity.counterfactuals import Impact
from lockstep.parity.effect import Effect
from lockstep.parity.profiles import Profile
from lockstep.store.results import CheckResult

DAYS, ROWS = 30, 200
KINDS = {"level": Kind.FLOAT, "speed": Kind.FLOAT, "flag": Kind.BOOL}
SCHEMA = Schema(
    "Reading",
    (
        Field("name", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("level", "float"),
        Field("speed", "float"),
        Field("flag", "bool"),
    ),
)


def readings(
    seed: int, rows: int = ROWS, *, days: int = 1, lift: float = 0.0, slow: bool = False
) -> Columns:
    rng = np.random.default_rng(seed)
    start = np.datetime64("2020-01-01", "us") + np.timedelta64(DAYS * (seed > 0) + seed, "D")
    day = np.repeat(np.arange(days), rows // days) * np.timedelta64(1, "D")
    return {
        "name": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "at": start + day + rng.integers(0, 86_400, rows) * np.timedelta64(1, "s"),
        "level": rng.normal(0, 1, rows) + lift,
        "speed": rng.normal(50, 5, rows) * (0.2 if slow else 1.0),
        "flag": rng.random(rows) < 0.5,
    }


TRAINING = readings(0, DAYS * ROWS, days=DAYS)
PROFILE = Profile.of(TRAINING, KINDS)
LEARNT = discover(TRAINING, SCHEMA, population=True)
FEW = discover(readings(0, 10 * ROWS, days=10), SCHEMA, population=True)


def population(columns: Columns, learnt: ConstraintSet = LEARNT) -> Population:
    found = drift(learnt, columns)
    return Population(found, learnt, PROFILE, Profile.of(columns, KINDS))


FAR = population(readings(1, lift=3.0))


def shares(found: Population) -> dict[str, float]:
    return {one.column: one.share for one in found.found}


def followed(*batches: Columns, each: bool = False) -> list[CheckResult]:
    """What is found of batches that follow each other."""
    changes, results = Changes("v"), []
    for number, columns in enumerate(batches):
        found = population(columns)
        changes = changes.after(f"day {number}", shares(found))
        results.append(check_changes(found, changes, f"day {number}", each=each))
    return results


def test_rows_far_from_training_are_a_warning_that_names_the_column() -> None:
    found = check_drift(FAR)
    assert (found.result, found.column) == ("warned", "level")


def test_rows_distributed_as_in_training_pass() -> None:
    found = check_drift(population(readings(1)))
    assert found.passed, found.summary


def test_nothing_to_compare_is_not_judged() -> None:
    assert check_drift(population(readings(1, rows=0))).result == "not_judged"


def test_with_too_few_training_days_no_column_is_judged_and_the_reason_is_told_once() -> None:
    found = check_drift(population(readings(1), FEW))
    assert found.result == "not_judged"
    assert found.summary == (
        "No column can be judged: training has 10 days of rows, and it takes 20."
    )
    assert set(found.unjudged) == set(KINDS)


def test_a_change_warns_when_it_begins_and_is_a_figure_from_then_on() -> None:
    results = followed(readings(1), *(readings(seed, lift=3.0) for seed in range(2, 6)))
    assert [one.result for one in results] == ["passed", "warned", "passed", "passed", "passed"]
    assert results[1].column == "level"
    assert "since day 1" in results[1].summary
    assert all("Drifted before: level since day 1" in one.summary for one in results[2:])
    assert results[-1].numbers["level, of its limit"] > 1


def test_a_change_that_was_never_beyond_its_limit_says_that_batches_add_up() -> None:
    changes = Changes("v", {"level": Change(1.5, "day 0", 9, 0.73, begun="day 8")})
    said = check_changes(population(readings(1)), changes, "day 8").summary

    assert "in none of 9 batches beyond its limit, but up to 73% of the way" in said
    assert "adds up to a change that lasts" in said


def test_what_begins_is_named_before_what_goes_on() -> None:
    results = followed(
        readings(1, lift=30.0), readings(2, lift=30.0), readings(3, lift=30.0, slow=True)
    )
    assert [one.column for one in results] == ["level", None, "speed"]
    assert results[-1].table[0]["column"] == "speed"


def test_decisions_warn_on_each_batch_that_is_far() -> None:
    results = followed(*(readings(seed, lift=3.0) for seed in range(1, 4)), each=True)
    assert [one.result for one in results] == ["warned"] * 3


def test_every_column_is_shown_with_its_farthest_statistic_and_both_histograms() -> None:
    rows = {row["column"]: row for row in check_drift(FAR).table}
    assert set(rows) == set(KINDS)
    assert "level" in str(rows["level"]["by"])
    assert rows["level"]["is"] != rows["level"]["was"]
    assert rows["level"]["training"]


ASKED: list[Sequence[str]] = []


def ask(columns: Sequence[str]) -> Impact:
    ASKED.append(columns)
    return Impact("the mix of the training", (Effect("is_high", ROWS, 50),), ROWS)


def test_what_a_change_does_to_the_outputs_is_told_once() -> None:
    ASKED.clear()
    changes = Changes("v").after("day 1", shares(FAR))
    result = check_changes(FAR, changes, "day 1", ask=ask)
    assert "Against the mix of the training: is_high flips in 50 of 200 rows" in result.summary
    again = check_changes(FAR, changes.after("day 2", shares(FAR)), "day 2", ask=ask)
    assert (again.result, ASKED) == ("passed", [["level"]])


def test_what_counts_on_each_batch_is_told_with_its_effect_on_each() -> None:
    changes = Changes("v").after("day 1", shares(FAR)).after("day 2", shares(FAR))
    result = check_changes(FAR, changes, "day 2", ask=ask, each=True)
    assert result.numbers["is_high: rows that differ"] == 50
