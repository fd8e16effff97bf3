"""Outcomes: which rows are compared with what came of them, and what is said of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS, fates, orders
from lockstep.checks.live_quality import Watch, check_calibration, check_live_quality
from lockstep.checks.streams import outcome_records
from lockstep.columns.kinds import Columns
from lockstep.errors import NotDeliveredError, NotStoredError, UnreadableError
from lockstep.parity.changes import Changes
from lockstep.parity.weekly import WeeklyFigures
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import CsvSource, FunctionSource
from lockstep.scoring.drifting import changes_before
from lockstep.scoring.outcome_attempts import STEP, open_days
from lockstep.scoring.outcomes import Outcomes, compare_outcomes, join_outcomes, refuse_repeated
from lockstep.store.status import findings
from lockstep.training.training_set import compute_training_set

DAY, NEXT = "2020-03-01", "2020-03-02"
QUALITIES = (Quality("risk", "came_back", "auc", threshold=0.6),)
LATE = replace(ASSETS, label_delay=timedelta(days=30))
DUE = datetime(2020, 4, 1, tzinfo=UTC)
EARLY, LATER = datetime(2020, 3, 5, 6, 30, tzinfo=UTC), datetime(2020, 4, 2, 6, 30, tzinfo=UTC)


def compare(
    workplace,
    day: str = DAY,
    declared: PipelineAssets = ASSETS,
    *,
    known: int = 120,
    frame: pd.DataFrame | None = None,
    at: datetime = LATER,
) -> Outcomes:
    """Compare a day of which the outcomes of the first rows have arrived, or those given."""
    source = FunctionSource(lambda of: fates(of).head(known) if frame is None else frame)
    return compare_outcomes(declared, source, workplace.registry, workplace.store, day, now=at)


def first_fates() -> pd.DataFrame:
    return fates(date.fromisoformat(DAY))


def predictions(rows: int = 500, *, bias: float = 0.0, noisy: int = 0) -> Columns:
    """Probabilities, and whether each came true; some of them are those of other rows."""
    rng = np.random.default_rng(0)
    risk = rng.uniform(0, 0.8, rows)
    came_back = rng.random(rows) < risk
    risk = risk + bias
    return {"risk": np.where(np.arange(rows) < noisy, risk[::-1], risk), "came_back": came_back}


NOISE = predictions(noisy=500)


def test_rows_are_joined_by_key_in_the_order_in_which_they_were_scored() -> None:
    scored = {"order_id": np.array(["c", "a", "b"], object), "risk": np.array([0.3, 0.1, 0.2])}
    arrived = {
        "order_id": np.array(["a", "x", "c"], object),
        "returned": np.array([True, False, False]),
        "cost": np.array([4.0, np.nan, np.nan]),
    }
    joined = join_outcomes(ASSETS.pipeline, scored, arrived)
    assert joined["order_id"].tolist() == ["c", "a"]
    assert joined["risk"].tolist() == [0.3, 0.1]
    assert joined["returned"].tolist() == [False, True]


def test_a_key_with_two_outcomes_is_refused_by_its_name() -> None:
    arrived = {"order_id": np.array(["a", "b", "a"], object)}
    with pytest.raises(UnreadableError, match="repeats the order_id of another, such as 'a'"):
        refuse_repeated(ASSETS.pipeline, arrived)


def test_a_scored_day_is_compared_with_what_came_of_it(scored) -> None:
    found = compare(scored)
    others = {"unknown so far": 0, "not published": 0, "refused": 0}
    assert found.counts == {"published": 120, "known": 120, **others}
    results = {name: each.result for name, each in found.results.items()}
    assert results == dict.fromkeys(("arrival", "live_quality", "calibration"), "passed")


NEW_LABEL = (
    "@model(learns=came_back",
    """@label
def is_dear(cost: Floats) -> Bools:
    \"\"\"Whether it cost more than ten euros.\"\"\"
    return cost > 10


@model(learns=came_back""",
)


def test_what_the_version_that_scored_has_not_is_named_and_the_rest_is_measured(
    scored, edited_orders
) -> None:
    demand = Quality("risk", "is_dear", "log_loss", threshold=0.7)
    checkout = replace(edited_orders(NEW_LABEL), quality=(*ASSETS.quality, demand))
    found = compare_outcomes(checkout, ASSETS.outcomes, scored.registry, scored.store, DAY)
    result = found.results["live_quality"]
    assert found.measured == ASSETS.quality
    assert result.numbers.keys() == {"risk auc", "expected_cost mae", "share known"}
    assert list(result.unjudged) == ["risk log_loss"]
    assert "has no column is_dear" in result.summary


def test_days_that_lack_a_column_are_left_out_of_the_last_days_and_named(
    scored, edited_orders
) -> None:
    compare(scored)
    checkout = edited_orders(NEW_LABEL)
    compute_training_set(checkout, scored.store, "run")
    scored.let_serve(scored.fit(checkout))
    scored.work_off(NEXT)
    found = compare(scored, NEXT, checkout)
    assert len(found.recent["return_cost"]) == 120
    assert "version 1 scored it, which has no such is_dear" in found.results["live_quality"].summary


# What arrives late


@pytest.mark.parametrize(
    ("at", "arrival", "words"),
    [
        (EARLY, "not_judged", "at least 90% have to be by 2020-04-01 00:00 UTC"),
        (LATER, "warned", "at least 90% should be since 2020-04-01 00:00 UTC"),
    ],
    ids=["before the delay is over", "after it"],
)
def test_too_little_known_is_not_judged_and_a_warning_once_the_delay_is_over(
    scored, at: datetime, arrival: str, words: str
) -> None:
    results = compare(scored, DAY, LATE, known=43, at=at).results
    assert results["arrival"].result == arrival
    assert "43 of 120 outcomes are known (36%)" in results["arrival"].summary
    assert words in results["arrival"].summary
    assert {results[name].result for name in ("live_quality", "calibration")} == {"not_judged"}
    assert "43 of 120 outcomes are known (36%)" in results["live_quality"].summary


def test_enough_known_is_judged_before_the_delay_is_over_and_shows_the_share(scored) -> None:
    found = compare(scored, DAY, LATE, known=114, at=EARLY)
    assert {one.result for one in found.results.values()} == {"passed"}
    assert found.results["live_quality"].numbers["share known"] == 0.95
    assert found.results["calibration"].numbers["share known"] == 0.95
    assert "114 of 120 outcomes are known (95%)" in found.results["live_quality"].summary


def test_a_file_that_is_not_there_yet_is_nothing_known_so_far_until_it_is_due(scored) -> None:
    source = CsvSource("outcomes/{day}.csv")
    assets = replace(LATE, outcomes=source), source, scored.registry, scored.store, DAY
    arrival = compare_outcomes(*assets, now=EARLY).results["arrival"]
    assert arrival.result == "not_judged"
    assert "0 of 120 outcomes are known" in arrival.summary
    assert "there is no file" in arrival.summary
    with pytest.raises(NotDeliveredError, match="there is no file"):
        compare_outcomes(*assets, now=LATER)


def test_days_of_which_too_little_is_known_are_left_out_of_the_last_days_and_named(
    scored,
) -> None:
    compare(scored, DAY, LATE, known=43, at=EARLY)
    found = compare(scored, NEXT, LATE, at=EARLY)
    assert len(found.recent["risk"]) == 120
    assert found.results["live_quality"].unjudged == {DAY: "43 of 120 outcomes are known (36%)"}


def test_an_outcome_that_is_delivered_no_longer_stays_known_and_is_named(scored) -> None:
    compare(scored)
    found, again = (compare(scored, known=118) for _ in range(2))
    assert (found.arrival.known, again.arrival.known) == (120, 120)
    result = found.results["arrival"]
    assert result.result == "warned"
    told = "2 that were known before are delivered no longer, such as that of order_id"
    assert f"{told} '{DAY}-0118'" in result.summary


def test_an_outcome_that_changed_counts_as_it_is_now_and_is_named(scored) -> None:
    before, frame = compare(scored), first_fates()
    frame.loc[7, "returned"] = not frame.loc[7, "returned"]
    found = compare(scored, frame=frame)
    assert found.results["arrival"].result == "warned"
    told = f"1 are others than before, such as returned of order_id '{DAY}-0007'"
    assert told in found.results["arrival"].summary
    assert int((found.recent["came_back"] != before.recent["came_back"]).sum()) == 1
    assert compare(scored, frame=frame).results["arrival"].passed


# Of what is published only


def test_outcomes_that_are_not_of_published_rows_or_cannot_be_read_are_counted_and_named(
    scored,
) -> None:
    frame = first_fates().astype({"cost": object})
    frame.loc[frame.index[:3], "order_id"] = ["x", "y", "z"]
    frame.loc[frame.index[7], "cost"] = "much"
    found = compare(scored, frame=frame)
    counts = {name: found.counts[name] for name in ("not published", "refused", "known")}
    assert counts == {"not published": 3, "refused": 1, "known": 116}
    assert (
        "3 are of rows that were not published, such as order_id 'x'; "
        f"1 cannot be read, such as row 7 ({DAY}-0007): cost: 'much' is text"
    ) in found.results["arrival"].summary


def test_a_day_that_was_not_scored_or_is_blocked_cannot_be_compared(live) -> None:
    live.deliver(DAY, orders(date.fromisoformat(DAY)).head(0))
    for do in (list, live.work_off):
        do(DAY)
        with pytest.raises(NotStoredError, match=f"No attempt at daily/{DAY} has gone through yet"):
            compare(live)
    assert outcome_records(ASSETS, live.store).attempted() == []


def test_a_day_that_was_blocked_when_it_was_scored_again_is_compared_as_it_was_published(
    scored,
) -> None:
    scored.deliver(DAY, orders(date.fromisoformat(DAY)).head(0))
    scored.work_off(DAY)
    assert compare(scored).arrival.rows == 120


def test_a_day_that_was_published_again_does_not_count_until_it_is_compared_again(scored) -> None:
    compare(scored)
    scored.work_off(DAY)
    found = compare(scored, NEXT)
    assert len(found.recent["risk"]) == 120
    why = "it was published again since it was compared; compare it again: lockstep outcomes orders"
    assert why in found.results["live_quality"].unjudged[DAY]
    compare(scored)
    assert len(compare(scored, NEXT).recent["risk"]) == 240


def test_a_stored_outcome_that_was_edited_does_not_count(scored) -> None:
    path = compare(scored).path
    path.write_bytes(path.read_bytes() + b"x")
    found = compare(scored, NEXT)
    assert len(found.recent["risk"]) == 120
    assert "has been changed or damaged since" in found.results["live_quality"].unjudged[DAY]


def test_outcomes_that_cannot_be_read_are_an_error_and_what_was_known_stays_known(scored) -> None:
    compare(scored, known=114)
    frame = first_fates()
    unreadable = {
        "order_id": pd.concat([frame, frame.head(1)]),
        "returned": frame.drop(columns="returned"),
    }
    for column, given in unreadable.items():
        arrival = compare(scored, frame=given).results["arrival"]
        assert (arrival.result, arrival.column) == ("failed", column)
        assert "From before, 114 of 120 outcomes are known (95%)" in arrival.summary
    assert compare(scored, frame=frame).results["arrival"].passed


# When a day is looked at again


def test_a_day_is_open_until_it_is_compared_and_again_once_it_is_published_again(scored) -> None:
    assert open_days(ASSETS, scored.store, EARLY) == [DAY, NEXT]
    compare(scored)
    assert open_days(ASSETS, scored.store, EARLY) == [NEXT]
    scored.work_off(DAY)
    assert open_days(ASSETS, scored.store, LATER) == [DAY, NEXT]


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("known", "looked", "again", "is_open"),
    [
        (43, EARLY, EARLY + timedelta(days=2), False),
        (43, EARLY, EARLY + timedelta(days=3), True),
        (43, DUE - HOUR, DUE, True),
        (43, DUE, LATER, False),
        (114, EARLY, LATER, False),
    ],
    ids=[
        "before a tenth of the delay",
        "after a tenth of the delay",
        "when the delay is over",
        "after the last look",
        "enough is known",
    ],
)
def test_a_day_of_which_too_little_is_known_is_open_again_until_the_delay_is_over(
    scored, known: int, looked: datetime, again: datetime, is_open: bool
) -> None:
    compare(scored, DAY, LATE, known=known, at=looked)
    assert (DAY in open_days(LATE, scored.store, again)) == is_open


def test_a_look_that_broke_off_is_told_and_leaves_the_last_one_as_it_was(scored) -> None:
    compare(scored, DAY, LATE, known=114, at=EARLY)
    records = outcome_records(LATE, scored.store)
    records.begin(DAY, "killed")
    assert DAY not in open_days(LATE, scored.store, LATER)
    assert len(compare(scored, NEXT, LATE, at=EARLY).recent["risk"]) == 234
    found = findings(records, DAY, steps=(STEP,), runs=lambda _: "ended")
    (told,) = [one.result.summary for one in found]
    assert "broke off before outcomes was recorded. What counts is attempt 1" in told


def test_a_day_whose_last_look_is_damaged_is_open_again_and_another_look_mends_it(scored) -> None:
    compare(scored)
    look = outcome_records(ASSETS, scored.store).demand(DAY)
    look.path("record.json").write_text("{}")
    assert DAY in open_days(ASSETS, scored.store, LATER)
    assert compare(scored).arrival.known == 120
    assert DAY not in open_days(ASSETS, scored.store, LATER)


# What the checks find


def test_live_quality_below_its_threshold_is_a_warning_that_names_the_prediction() -> None:
    assert check_live_quality(QUALITIES, NOISE, predictions()).passed
    found = check_live_quality(QUALITIES, predictions(), NOISE)
    assert (found.passed, found.is_error, found.column) == (False, False, "risk")


@pytest.mark.parametrize(("bias", "passes"), [(0.0, True), (0.2, False)])
def test_predictions_that_are_off_on_average_are_not_calibrated(bias: float, passes: bool) -> None:
    found = check_calibration(QUALITIES, predictions(bias=bias))
    assert (found.passed, found.column) == (passes, None if passes else "risk")


def test_without_outcomes_nothing_is_judged() -> None:
    assert check_calibration(QUALITIES, predictions(0)).result == "not_judged"
    found = check_live_quality(QUALITIES, predictions(0), predictions(0))
    assert found.result == "not_judged"
    assert found.unjudged == {"risk auc": "no outcome is known yet"}


@pytest.mark.parametrize(
    ("label", "value", "metric"),
    [("came_back", True, "auc"), ("came_back", True, "brier"), ("cost", 4.0, "r2")],
)
def test_outcomes_that_are_all_the_same_have_no_metric(
    label: str, value: float | bool, metric: str
) -> None:
    same = predictions()
    same[label] = np.full(len(same["risk"]), value)
    found = check_live_quality((Quality("risk", label, metric, threshold=0.9),), same, same)
    assert found.result == "not_judged"
    why = f"{label} is the same in all rows whose outcome is known"
    assert found.unjudged == {f"risk {metric}": why}


def test_a_day_of_too_few_rows_has_no_metric_of_its_own() -> None:
    few = {name: values[:29] for name, values in predictions().items()}
    found = check_live_quality(QUALITIES, few, predictions())
    assert (found.passed, str(found.numbers["risk auc"])) == (True, "nan")
    assert found.table[0]["this day"] == "29 outcomes are known, and it takes 30"
    assert check_live_quality(QUALITIES, few, few).result == "not_judged"


def test_a_day_of_one_row_shows_its_label() -> None:
    lone = {"came_back": np.array([True]), "risk": np.array([0.25])}
    found = check_live_quality(QUALITIES, lone, predictions())
    assert found.table[0]["this day"] == "came_back of a single row is known"


def test_what_was_usual_lies_within_the_range_of_the_metric() -> None:
    weeks = np.random.default_rng(0).normal(0.2, 0.3, 60)
    weekly = WeeklyFigures.of({"risk auc": weeks}, {"risk auc": "lower"}, weeks=12, rows=100)
    watch = Watch.of(weekly, Changes("v"), "day", QUALITIES, predictions())
    assert weekly.usual("risk auc").startswith("at least -")
    assert watch.usual("risk auc") == "at least 0"


def test_every_prediction_that_misses_its_demand_is_named() -> None:
    columns = {**NOISE, "danger": NOISE["risk"]}
    qualities = (*QUALITIES, Quality("danger", "came_back", "auc", threshold=0.6))
    found = check_live_quality(qualities, columns, columns)
    assert (found.column, found.also) == ("risk", ("danger",))


# Against what was usual in training

_WEEKS = np.random.default_rng(0).normal(0, 1, (2, 60))
WEEKLY = WeeklyFigures.of(
    {"risk auc": 0.8 + 0.008 * _WEEKS[0], "bias of risk": 0.03 * _WEEKS[1]},
    {"risk auc": "lower", "bias of risk": "either"},
    weeks=12,
    rows=100,
)


def watched(*weeks: Columns, check: str) -> list[str]:
    """What live quality or calibration finds of the last days, week after week."""
    changes, found = Changes("v"), []
    for number, recent in enumerate(weeks):
        watch = Watch.of(WEEKLY, changes, f"day {number}", QUALITIES, recent)
        changes = watch.changes
        quality = check_live_quality(QUALITIES, recent, recent, watch=watch).result
        found.append(
            {"quality": quality, "bias": check_calibration(QUALITIES, recent, watch).result}
        )
    return [results[check] for results in found]


@pytest.mark.parametrize(
    ("weeks", "check", "results"),
    [
        (
            [predictions(), *[predictions(noisy=170)] * 4],
            "quality",
            ["passed", "warned", "passed", "passed", "passed"],
        ),
        ([NOISE] * 3, "quality", ["warned"] * 3),
        ([predictions(bias=0.06)] * 5, "bias", ["passed"] * 5),
    ],
    ids=[
        "a loss within the demanded threshold once",
        "a demand that a person made every time",
        "a bias as large as weeks of the training had never",
    ],
)
def test_what_lasts_is_told(weeks: list[Columns], check: str, results: list[str]) -> None:
    assert watched(*weeks, check=check) == results


def test_a_lasting_bias_beyond_those_of_the_training_is_told_once_with_its_beginning() -> None:
    results = watched(*[predictions(bias=0.25)] * 5, check="bias")
    assert sorted(results) == ["passed"] * 4 + ["warned"]
    watch = Watch.of(WEEKLY, Changes("v"), "day 1", QUALITIES, predictions(bias=0.5))
    summary = check_calibration(QUALITIES, predictions(bias=0.5), watch).summary
    assert "outside what 12 weeks of training had (-0." in summary
    assert ") since day 1" in summary


def test_far_fewer_rows_than_in_weeks_of_the_training_are_not_held_against_them() -> None:
    weekly = msgspec.structs.replace(WEEKLY, rows=100_000)
    watch = Watch.of(weekly, Changes("v"), "day 1", QUALITIES, predictions(bias=0.5))
    assert watch.changes.columns == {}


def test_a_look_keeps_what_is_lastingly_outside_and_starts_from_the_look_at_the_day_before(
    scored,
) -> None:
    for day in (DAY, NEXT):
        compare(scored, day)
    records = outcome_records(ASSETS, scored.store)
    facts = records.demand(DAY).record.steps[STEP].facts
    version = facts["changes"]["version"]
    assert changes_before(records, NEXT, STEP, version) == msgspec.convert(
        facts["changes"], Changes
    )
    assert changes_before(records, DAY, STEP, version) == Changes(version)
