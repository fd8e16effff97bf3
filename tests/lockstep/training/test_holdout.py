"""Evaluation on the holdout: fitted on older rows, measured on the newest, and on nothing else."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.project.quality import Quality
from lockstep.training import holdout
from lockstep.training.holdout import Evaluation, evaluate_champion, evaluate_holdout

PIPELINE, QUALITIES = ASSETS.pipeline, tuple(ASSETS.quality)


@pytest.fixture(scope="module")
def columns() -> Columns:
    """Ten days of orders, the newest first."""
    days = [orders_with_fates(date(2020, 2, day), 100) for day in range(10, 0, -1)]
    return decode(pd.concat(days, ignore_index=True), PIPELINE.joint_schema).columns


@pytest.fixture(scope="module")
def evaluation(columns: Columns) -> Evaluation:
    return evaluate_holdout(PIPELINE, columns, QUALITIES, ("gift",), holdout=0.2)


def test_the_newest_rows_are_held_out(evaluation: Evaluation) -> None:
    days = {key[:10] for key in evaluation.held_out["order_id"].tolist()}
    assert days == {"2020-02-09", "2020-02-10"}


def test_no_row_is_lost(columns: Columns, evaluation: Evaluation) -> None:
    held_out = len(evaluation.held_out["order_id"])
    assert evaluation.fitted_on + held_out == len(columns["order_id"])


def test_figures_are_those_of_the_held_out_rows(evaluation: Evaluation) -> None:
    assert evaluation.measured == {one: one.measure(evaluation.held_out) for one in QUALITIES}


def test_the_pipeline_is_left_as_it_is(evaluation: Evaluation) -> None:
    assert not PIPELINE.is_fitted


def test_labels_of_held_out_rows_have_no_part_in_the_fit(
    columns: Columns, evaluation: Evaluation
) -> None:
    newest = np.array([key[:10] >= "2020-02-09" for key in columns["order_id"].tolist()])
    flipped = {**columns, "returned": np.where(newest, ~columns["returned"], columns["returned"])}
    again = evaluate_holdout(PIPELINE, flipped, QUALITIES)
    assert again.held_out["risk"].tolist() == evaluation.held_out["risk"].tolist()


def test_the_champion_is_fitted_to_the_same_older_rows(
    columns: Columns, evaluation: Evaluation
) -> None:
    fitted_on_everything = PIPELINE.unfitted().fit(columns)
    assert evaluate_champion(fitted_on_everything, columns, QUALITIES, 0.2) == evaluation.measured


def test_a_champion_without_the_fields_is_not_measured(columns: Columns) -> None:
    lacking = {name: array for name, array in columns.items() if name != "weight"}
    found = evaluate_champion(PIPELINE, lacking, QUALITIES, 0.2)
    assert np.isnan([*found.values()]).all()


def test_a_prediction_that_the_champion_lacks_is_not_measured(columns: Columns) -> None:
    newer = replace(QUALITIES[0], column="newer_risk")
    found = evaluate_champion(PIPELINE, columns, (newer, QUALITIES[1]), 0.2)
    assert np.isnan(found[newer])
    assert not np.isnan(found[QUALITIES[1]])


def test_slices_are_those_with_rows_enough_to_measure(columns: Columns) -> None:
    quality = (Quality("risk", "came_back", "auc", 0.5),)
    large = evaluate_holdout(PIPELINE, columns, quality, ("gift", "country"), holdout=0.5)
    assert {row["slice"] for row in large.slices[quality[0]]} == {"gift = False"}


def test_models_are_measured_by_what_no_demand_names_too(evaluation: Evaluation) -> None:
    assert evaluation.others.keys() == {
        *(f"return_probability {metric}" for metric in ("auc", "log_loss", "brier")),
        "expected_cost rmse",  # a demand measures its mae
    }


def test_shuffling_what_a_prediction_hangs_on_makes_it_worse(evaluation: Evaluation) -> None:
    risk = evaluation.importance[QUALITIES[0]]
    assert max(risk, key=lambda name: risk[name]) == "price_per_item"


def test_what_no_model_uses_has_no_importance(evaluation: Evaluation) -> None:
    graph = PIPELINE.graph
    used = {name for model in graph.models for name in graph.inputs(model)}
    assert evaluation.importance[QUALITIES[0]].keys() <= used
    assert "order_id" not in evaluation.importance[QUALITIES[0]]


def test_shuffling_ends_when_its_time_is_over(
    columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdout, "_SECONDS", -1.0)
    importance = evaluate_holdout(PIPELINE, columns, QUALITIES).importance
    assert not any(importance.values())


def test_without_a_demand_nothing_is_shuffled(columns: Columns) -> None:
    assert evaluate_holdout(PIPELINE, columns, ()).importance == {}


def held_out_times(columns: Columns, times: list[str | None]) -> Counter[str]:
    """The event times of the rows that are held out, given those of all rows in turn."""
    rows = len(columns["order_id"])
    given = {**columns, "sent_at": np.resize(np.array(times, dtype="datetime64[us]"), rows)}
    return Counter(evaluate_holdout(PIPELINE, given, QUALITIES).held_out["sent_at"].astype(str))


def test_of_four_distinct_times_the_last_is_held_out(columns: Columns) -> None:
    days = ["2020-02-01", "2020-02-02", "2020-02-03", "2020-02-04"]
    assert held_out_times(columns, days) == {"2020-02-04T00:00:00.000000": 250}


def test_of_rows_of_one_time_those_of_some_keys_are_held_out(columns: Columns) -> None:
    (count,) = held_out_times(columns, ["2020-02-01"]).values()
    assert 150 < count < 250


def test_rows_without_a_time_are_not_among_the_newest(columns: Columns) -> None:
    days = [None, "2020-02-01", "2020-02-02", "2020-02-03", "2020-02-04"]
    assert held_out_times(columns, days) == {"2020-02-04T00:00:00.000000": 200}
