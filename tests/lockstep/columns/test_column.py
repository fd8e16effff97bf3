"""Declaring columns."""

import re
from typing import Any

import numpy as np
import pytest

from lockstep.columns.decorators import feature, label, model
from lockstep.columns.kinds import Floats, Ints, Kind, Texts
from lockstep.columns.nodes import Column
from lockstep.errors import DeclarationError


def said(refused: pytest.ExceptionInfo[DeclarationError]) -> str:
    """The message, without the place of the function, which it always names."""
    message, places = re.subn(r" \(columns/test_column.py:\d+\)", "", str(refused.value))
    assert places == 1
    return message


def test_a_column_is_called_like_its_function() -> None:
    @feature
    def doubled(x: Floats) -> Floats:
        """Twice as much."""
        return 2 * x

    assert doubled(np.array([1.5])).tolist() == [3.0]
    assert doubled(x=np.array([1.5])).tolist() == [3.0]


def test_a_column_knows_what_its_function_says() -> None:
    @feature(ulps=4)
    def joined(x: Floats, y: Texts) -> Ints:
        """How much."""
        raise NotImplementedError

    assert (joined.name, joined.role, joined.inputs) == ("joined", "feature", ("x", "y"))
    assert (joined.kind, joined.input_kinds) == (Kind.INT, (Kind.FLOAT, Kind.TEXT))
    assert (joined.ulps, joined.doc, joined.__doc__) == (4, "How much.", "How much.")


def test_a_column_tells_where_it_is_defined() -> None:
    @feature
    def doubled(x: Floats) -> Floats:
        return 2 * x

    line = doubled.function.__code__.co_firstlineno
    assert doubled.location == f"columns/test_column.py:{line}"
    assert doubled.title == f"Feature doubled (columns/test_column.py:{line})"


@pytest.mark.parametrize(
    "function", [lambda: None, lambda *x: x, lambda **x: x, lambda x, *, y: x + y]
)
def test_parameters_that_name_no_columns_are_refused(function: Any) -> None:
    function.__name__ = "odd"

    with pytest.raises(DeclarationError) as refused:
        feature(function)
    assert said(refused) == (
        "Feature odd: its parameters are the names of its input columns, so it needs at least "
        "one, and none like *args, **kwargs or those after a *."
    )


def test_an_annotation_that_is_no_kind_is_refused() -> None:
    with pytest.raises(DeclarationError) as refused:

        @label
        def odd(x: float) -> Floats:
            raise NotImplementedError

    assert said(refused) == (
        "odd: x is annotated <class 'float'>; columns are Floats, Ints, Bools, Texts or Times."
    )


def test_an_annotation_that_is_not_defined_is_refused() -> None:
    with pytest.raises(DeclarationError) as refused:

        @feature
        def odd(x: "Float") -> Floats:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

    assert said(refused) == "odd: an annotation is not defined: name 'Float' is not defined."


# Models


def estimator() -> Any:
    raise NotImplementedError


def test_a_model_names_its_columns_by_themselves_or_by_name() -> None:
    @feature
    def doubled(x: Floats) -> Floats:
        return 2 * x

    made = model(learns="y", uses=[doubled, "x"])(estimator)

    assert (made.inputs, made.learns) == (("doubled", "x"), "y")
    assert made.kind is Kind.FLOAT


@pytest.mark.parametrize(
    ("classes", "kind", "probabilities"),
    [
        (["low", "very high"], Kind.TEXT, ("estimator_low", "estimator_very_high")),
        ([1, 2, 3], Kind.INT, ("estimator_1", "estimator_2", "estimator_3")),
    ],
)
def test_a_model_of_classes_gives_a_column_a_class(
    classes: list[Any], kind: Kind, probabilities: tuple[str, ...]
) -> None:
    made = model(learns="y", uses=["x"], classes=classes)(estimator)

    assert (made.kind, made.probabilities) == (kind, probabilities)


def odd_model(**changes: Any) -> Column:
    return model(**({"learns": "y", "uses": ["x"]} | changes))(estimator)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uses": []}, "Model estimator uses no columns; name them in uses=[...]."),
        ({"uses": ["x", "x"]}, "Model estimator uses x twice."),
        (
            {"uses": [3]},
            "@model: uses[0] is 3; give a decorated function or the name of a field.",
        ),
        (
            {"learns": None},
            "@model: learns is None; give a decorated function or the name of a field.",
        ),
        ({"folds": 1}, "@model: folds is 1; give a whole number from 2."),
        (
            {"classes": []},
            "Model estimator: classes are two or more texts, or two or more integers.",
        ),
        (
            {"classes": ["a"]},
            "Model estimator: classes are two or more texts, or two or more integers.",
        ),
        (
            {"classes": ["a", 1]},
            "Model estimator: classes are two or more texts, or two or more integers.",
        ),
        (
            {"classes": ["a b", "a_b"]},
            "Model estimator: the classes 'a b', 'a_b' do not give different names to its columns.",
        ),
    ],
)
def test_a_model_without_meaning_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        odd_model(**changes)
    assert re.sub(r" \(.*\.py:\d+\)", "", str(refused.value)) == message


def test_a_model_takes_no_parameters() -> None:
    with pytest.raises(DeclarationError) as refused:

        @model(learns="y", uses=["x"])
        def odd(x: Floats) -> Any:
            raise NotImplementedError

    assert said(refused) == (
        "Model odd: its function takes no parameters; name its columns in uses=[...]."
    )
