"""Declaring columns."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockstep.columns.decorators import feature, model
from lockstep.columns.kinds import Floats, Ints, Kind, Texts
from lockstep.errors import DeclarationError


def test_a_column_is_its_function_and_knows_what_it_says() -> None:
    @feature(ulps=4)
    def joined(x: Floats, y: Texts) -> Ints:
        """How much."""
        return 2 * x

    assert joined(np.array([1.5]), "y").tolist() == [3.0]
    assert joined(y="y", x=np.array([1.5])).tolist() == [3.0]
    assert (joined.name, joined.role, joined.inputs) == ("joined", "feature", ("x", "y"))
    assert (joined.kind, joined.input_kinds) == (Kind.INT, (Kind.FLOAT, Kind.TEXT))
    assert (joined.ulps, joined.doc, joined.__doc__) == (4, "How much.", "How much.")
    line = joined.function.__code__.co_firstlineno
    assert joined.location == f"columns/test_column.py:{line}"
    assert joined.title == f"Feature joined (columns/test_column.py:{line})"


def odd() -> Any:
    raise NotImplementedError


def annotated(**annotations: Any) -> Callable[[], Any]:
    def odd(x: Any) -> Any:
        raise NotImplementedError

    odd.__annotations__ = annotations
    return lambda: feature(odd)


def odd_model(function: Any = odd, **changes: Any) -> Callable[[], Any]:
    return lambda: model(**{"learns": "y", "uses": ["x"], **changes})(function)


NO_INPUTS = "Feature <lambda>: its parameters are the names of its input columns"
CLASSES = "Model odd: classes are two or more texts, or two or more integers."


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        *[
            (lambda function=function: feature(function), NO_INPUTS)
            for function in (lambda: 0, lambda *x: x, lambda **x: x, lambda x, *, y: x + y)
        ],
        (
            annotated(x=float),
            "odd: x is annotated <class 'float'>; columns are Floats, Ints, Bools",
        ),
        (annotated(x="Float"), "odd: an annotation is not defined: name 'Float' is not defined."),
        (odd_model(uses=[]), "Model odd uses no columns; name them in uses=[...]."),
        (odd_model(uses=["x", "x"]), "Model odd uses x twice."),
        (odd_model(uses=[3]), "@model: uses[0] is 3; give a decorated function or the name of a "),
        (odd_model(learns=None), "@model: learns is None; give a decorated function or the name"),
        (odd_model(folds=1), "@model: folds is 1; give a whole number from 2."),
        *[(odd_model(classes=classes), CLASSES) for classes in ([], ["a"], ["a", 1])],
        (odd_model(classes=["a b", "a_b"]), "Model odd: the classes 'a b', 'a_b' do not give diff"),
        (
            odd_model(lambda x: x),
            "Model <lambda>: its function takes no parameters; name its colum",
        ),
    ],
)
def test_a_column_without_meaning_is_refused_with_its_place(
    declare: Callable[[], Any], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare()
    told, places = re.subn(r" \(columns/test_column.py:\d+\)", "", str(refused.value))
    assert told.startswith(message)
    assert places == (not message.startswith("@model"))


def test_a_model_names_its_columns_by_themselves_or_by_name() -> None:
    made = model(learns="y", uses=[feature(lambda x: x), "x"])(odd)
    assert (made.inputs, made.learns, made.kind) == (("<lambda>", "x"), "y", Kind.FLOAT)


@pytest.mark.parametrize(
    ("classes", "kind", "probabilities"),
    [
        (["low", "very high"], Kind.TEXT, ("odd_low", "odd_very_high")),
        ([1, 2, 3], Kind.INT, ("odd_1", "odd_2", "odd_3")),
    ],
)
def test_a_model_of_classes_gives_a_column_a_class(
    classes: list[Any], kind: Kind, probabilities: tuple[str, ...]
) -> None:
    made = model(learns="y", uses=["x"], classes=classes)(odd)
    assert (made.kind, made.probabilities) == (kind, probabilities)
