"""What people read about a version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.registry.description import (
    Presentation,
    description,
    metric_name,
    model_card,
    parameters,
)

WINDOW = {"trained_from": "2020-01-01 00:00", "trained_until": "2020-02-29 23:59"}


def card(tumour: Any, shown: Presentation | None = None, **links: str) -> str:
    return model_card(tumour.pipeline, tumour.source, 569, shown or Presentation(), links)


def test_a_card_begins_with_what_the_pipeline_is_for_and_says_what_it_was_fitted_on(
    tumour: Any,
) -> None:
    first, _, fitted = card(tumour, Presentation(tags=WINDOW)).splitlines()[:3]
    assert first.startswith("Tumour: is a breast mass")
    assert fitted.startswith("Fitted on 569 rows, from 2020-01-01 00:00 to 2020-02-29 23:59, by ")
    assert tumour.source.digest[:12] in fitted


def test_every_column_is_described_with_its_type_and_meaning(tumour: Any) -> None:
    text = card(tumour)
    assert "| verdict | text | What the reader is told. |" in text
    assert "| tree_probability | float | Probability of malignancy, by boosted trees. |" in text
    assert "| quarter | int | Quarter of the year in which" in text
    assert "| texture | float \\| None | standard deviation of grey values |" in text
    assert "| sample_id | str | key; " in text


def test_a_card_has_links_quality_and_limits_before_the_long_tables(tumour: Any) -> None:
    quality = [("metric", "value"), ("auc", "0.96")]
    shown = Presentation(
        tables={"Quality": quality, "Empty": quality[:1]}, limits=["Not for children."]
    )
    text = card(tumour, shown, Run="#/experiments/1/runs/2")
    assert "[Run](#/experiments/1/runs/2)" in text
    assert "**Empty**" not in text
    places = [text.index(each) for each in ("| auc | 0.96 |", "- Not for children.", "**Input**")]
    assert places == sorted(places)


def test_a_description_ends_with_a_whole_line_where_mlflow_has_no_more_room(tumour: Any) -> None:
    rows = [("metric", "value"), *((f"metric_{number}", "0.5") for number in range(500))]
    text = description(card(tumour, Presentation(tables={"Quality": rows})))
    assert len(text) <= 5000
    assert text.endswith(" |\n…")


def test_parameters_are_those_that_somebody_gave(tumour: Any) -> None:
    found = parameters(tumour.pipeline, tumour.source, 569)
    assert found["tree_probability.estimator"] == "HistGradientBoostingClassifier"
    assert found["tree_probability.learns"] == "is_malignant"
    assert found["tree_probability.max_iter"] == "20"
    assert "tree_probability.l2_regularization" not in found
    assert found["linear_probability.estimator"] == "ColumnTransformer → LogisticRegression"
    assert "linear_probability.logisticregression__C" not in found
    assert not [name for name, value in found.items() if "object at 0x" in value]


def test_long_parameters_are_cut(tumour: Any) -> None:
    found = parameters(tumour.pipeline, tumour.source, 569)
    assert max(map(len, found.values())) <= 500


@given(st.text(), st.text())
def test_mlflow_takes_every_name_of_a_metric(group: str, name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(metric_name(group, name))


@pytest.mark.parametrize(("value", "shown"), [("UA", "UA"), ("a/b=c", "a_b_c"), ("..", "_")])
def test_a_metric_of_a_slice_is_named_by_its_value(value: str, shown: str) -> None:
    assert metric_name("p auc by carrier", value) == f"p auc by carrier/{shown}"
