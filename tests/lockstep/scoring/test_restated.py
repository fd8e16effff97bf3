"""A day that comes again: what upstream changed is told apart from what the platform changed."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from lockstep.scoring.restated import side_by_side as two_versions
from lockstep.store.attempts import StepRecord
from tests.fixtures.order_store import DAY, orders_of
from tests.fixtures.scored import ScoredPartition

ROWS = orders_of(DAY)


def scored(place, version, frame: pd.DataFrame = ROWS) -> ScoredPartition:
    return place.score(frame, by=version)


def dearer(version):
    """The version with a model that expects one euro more."""
    models = deepcopy(version.pipeline.models_)
    models["expected_cost"].intercept_ += 1.0
    return replace(version, pipeline=version.pipeline.with_models(models))


def test_a_day_that_comes_for_the_first_time_restates_nothing(place, version) -> None:
    found = scored(place, version).results
    assert {found[name].summary for name in ("restated", "rescored")} == {
        f"{DAY} is not published yet: nothing of it can have changed."
    }


def test_a_day_that_comes_again_as_it_was_has_the_columns_that_it_had(place, version) -> None:
    scored(place, version)
    shuffled = ROWS.sample(frac=1, random_state=0)
    found = scored(place, version, shuffled).results
    assert (found["restated"].result, found["rescored"].result) == ("passed", "passed")
    assert found["rescored"].numbers["rows"] == 120


def test_rows_with_other_raw_values_are_listed_by_column_and_published(place, version) -> None:
    scored(place, version)
    frame = ROWS.copy()
    frame.loc[[3, 4, 5], "weight"] = [1.25, np.nan, 2.5]
    frame.loc[4, "country"] = None if frame.loc[4, "country"] is not None else "DE"
    found = scored(place, version, frame)
    result = found.results["restated"]
    assert (result.result, result.column) == ("warned", "weight")
    assert [row["column"] for row in result.table] == ["weight", "country"]
    counts = {"rows": 120, "restated rows": 3, "rows as before": 117, "new": 0, "withdrawn": 0}
    assert result.numbers.items() >= counts.items()
    assert "Against the values as they were: " in result.summary
    assert "risk moves in 3 of 3 rows, by " in result.summary
    assert result.keys == tuple(ROWS["order_id"][3:6])
    assert found.published is not None
    assert found.results["rescored"].numbers["rows"] == 117


def test_new_rows_are_counted_and_restate_nothing(place, version) -> None:
    scored(place, version, ROWS.head(115))
    result = scored(place, version).results["restated"]
    assert result.passed
    assert result.numbers["new"] == 5


def test_rows_that_come_no_more_are_named_by_key(place, version) -> None:
    scored(place, version)
    result = scored(place, version, ROWS.drop(index=[3, 7])).results["restated"]
    assert (result.result, result.column) == ("warned", "order_id")
    assert result.keys == tuple(ROWS["order_id"][[3, 7]])
    assert result.numbers["withdrawn"] == 2


def test_rows_that_came_and_are_set_aside_are_not_said_to_have_come_no_more(place, version) -> None:
    scored(place, version)
    frame = ROWS.copy()
    frame["weight"] = frame["weight"].astype(object)
    frame.loc[[3, 4], "weight"] = "heavy"
    found = scored(place, version, frame).results["restated"]
    assert found.passed
    assert "2 rows of the 120 came and are set aside" in found.summary


def test_other_columns_of_the_same_rows_by_the_same_version_are_an_error(place, version) -> None:
    scored(place, version)
    found = scored(place, dearer(version))
    result = found.scored.results["rescored"]
    assert (result.result, result.column) == ("failed", "expected_cost")
    assert "rescored" in found.scored.blocked_by
    assert found.published is None


def test_another_version_may_give_the_same_rows_other_columns(place, version) -> None:
    scored(place, version)
    found = scored(place, replace(dearer(version), digest="of another version", version=2))
    result = found.scored.results["rescored"]
    assert result.passed
    assert result.table[0]["column"] == "expected_cost"
    assert result.numbers == {"rows": 120, "rows with other columns": 120}


def side_by_side(place) -> pd.DataFrame | None:
    """The table of the last attempt."""
    attempt = place.attempt()
    is_there = attempt.path("side_by_side.parquet").exists()
    return attempt.read("side_by_side").to_pandas() if is_there else None


def test_predictions_of_two_versions_stay_side_by_side(place, version) -> None:
    scored(place, version)
    assert side_by_side(place) is None
    before = place.attempt().read("published").to_pandas()
    other = replace(dearer(version), digest="of another version", version=2)
    frame = ROWS.astype({"weight": object})
    frame.loc[3, "weight"] = "heavy"  # which is set aside
    scored(place, other, frame)
    both = side_by_side(place)
    assert both is not None
    assert both["order_id"].tolist() == sorted(ROWS["order_id"])
    assert both["risk_before"].tolist() == before.sort_values("order_id")["risk"].tolist()
    assert both["version_before"].tolist() == [1] * len(ROWS)
    (aside,) = np.flatnonzero(both["version"].isna())
    assert both["order_id"][aside] == ROWS["order_id"][3]
    now = place.attempt().read("scored").to_pandas().sort_values("order_id")
    assert both["loss"].drop(index=aside).tolist() == now["loss"].tolist()
    assert both["loss"].sub(both["loss_before"]).abs().max() > 0


def test_a_version_that_scores_once_more_stays_beside_the_other_one(place, version) -> None:
    other = replace(version, digest="of another version", version=2)
    records = place.work().records
    for manifest, number in ((version.digest, 1), (other.digest, 2)):
        with records.step(DAY, "batch", "a run") as attempt:
            attempt.keep("batch", StepRecord())
        with records.step(DAY, "published", "a run", after=["batch"]) as attempt:
            attempt.write("published", pa.table({"order_id": ["a"], "version": [number]}))
            attempt.keep("published", StepRecord(version=number, manifest=manifest))
            records.commit(attempt)
    outputs = {name: [0.0] for name in version.pipeline.graph.outputs}
    with records.step(DAY, "batch", "another run") as attempt:
        attempt.write("scored", pa.table({"order_id": ["a"], **outputs, "version": [2]}))
        found = two_versions(records, attempt, other)
    assert found is not None
    assert found.select(["version", "version_before"]).to_pylist() == [
        {"version": 2, "version_before": 1}
    ]
