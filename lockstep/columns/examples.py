"""Example rows: made-up values of each kind, to see what a function returns before any data is."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Model
from lockstep.columns.records import Schema

_EXAMPLES: dict[Kind, tuple[Any, Any, Any]] = {
    Kind.FLOAT: (0.0, 1.0, np.nan),
    Kind.INT: (0, 1, None),
    Kind.BOOL: (False, True, None),
    Kind.TEXT: ("a", "b", None),
    Kind.TIME: (np.datetime64("2000-01-01"), np.datetime64("2000-01-02"), np.datetime64("NaT")),
}


def example_columns(schema: Schema) -> Columns:
    """Three rows that a schema admits."""
    return {
        field.name: example_array(field.kind, optional=field.optional, choices=field.choices)
        for field in schema
    }


def example_array(kind: Kind, *, optional: bool, choices: tuple[str, ...] | None = None) -> Array:
    """Three values of a kind: two different ones, then a missing one or a repetition."""
    first, second, missing = _EXAMPLES[kind]
    if choices is not None:
        first, second = choices[0], choices[-1]
    return np.array([first, second, missing if optional else second], dtype=kind.dtype)


def example_predictions(model: Model) -> Columns:
    """Three predictions of a model: its column, and those of its probabilities."""
    if model.classes is None:
        return {model.name: np.array([0.25, 0.75, 0.75])}
    first, last = model.classes[0], model.classes[-1]
    dtype = (model.kind or Kind.TEXT).dtype
    even = np.full(3, 1.0 / len(model.classes))
    return {model.name: np.array([first, last, last], dtype=dtype)} | dict.fromkeys(
        model.probabilities, even
    )
