"""What people read about a version."""

from __future__ import annotations

from typing import Any

from lockstep.registry.description import describe, parameters


def test_every_column_is_described_with_its_type_and_meaning(tumour: Any) -> None:
    text = describe(tumour.pipeline, tumour.source, 569, {"auc": 0.96})
    assert "| auc | 0.96 |" in text
    assert "| verdict | text | What the reader is told. |" in text
    assert "| tree_probability | float | Probability of malignancy, by boosted trees. |" in text
    assert "| quarter | int | Quarter of the year in which" in text
    assert "| texture | float \\| None | standard deviation of grey values |" in text
    assert "| sample_id | str | key; " in text


def test_a_long_description_ends_with_a_whole_line_where_mlflow_has_no_more_room(
    tumour: Any,
) -> None:
    text = describe(tumour.pipeline, tumour.source, 569, {f"metric_{n}": 0.5 for n in range(500)})
    assert len(text) <= 5000
    assert text.endswith(" |\n…")


def test_parameters_are_the_plain_ones_of_every_step(tumour: Any) -> None:
    found = parameters(tumour.pipeline, tumour.source, 569)
    assert found["tree_probability.estimator"] == "HistGradientBoostingClassifier"
    assert found["tree_probability.learns"] == "is_malignant"
    assert found["linear_probability.columntransformer__numbers__simpleimputer__strategy"] == "mean"
    assert not [name for name, value in found.items() if "object at 0x" in value]


def test_long_parameters_are_cut(tumour: Any) -> None:
    found = parameters(tumour.pipeline, tumour.source, 569)
    assert max(map(len, found.values())) <= 500
