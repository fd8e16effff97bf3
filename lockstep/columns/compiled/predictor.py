"""Compiled predictors: a fitted model as a plan on arrays, in place of the reference one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.compiled.blocks import Layout, Step, to_matrix
from lockstep.columns.compiled.estimates import Answer, Estimate, RowAnswer, after_row
from lockstep.columns.compiled.estimators import compile_estimator
from lockstep.columns.compiled.transformers import chain, compile_steps
from lockstep.columns.compiled.trees import parted
from lockstep.columns.kinds import Array, Columns, picker
from lockstep.columns.nodes import Model
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import ReferencePredictor, predicts_classes
from lockstep.errors import NotCompiledError

_BLOCK = 4_096
"""Rows that are predicted at a time. What the steps make of them stays in a core's cache: 200,000
flights took 0.54, 0.49 and 0.30 of the time of scikit-learn's own predictions (boosted trees, a
linear model, a regressor), and in one block 0.58, 0.84 and 0.34."""


class CompiledPredictor:
    """A fitted model as a plan on arrays: no DataFrame, no validation of what was validated.

    It serves in place of the reference predictor once both agree. `of_row` gives the number of a
    single row from the Python values of its inputs, in order; None if it has no such form. Raises
    `NotCompiledError`, which names the step of the estimator that has no compiled form.
    """

    def __init__(self, reference: ReferencePredictor, kinds: Layout) -> None:
        self.model: Model = reference.model
        self._inputs = picker(reference.model.inputs)
        self._of_classes = reference.of_classes
        self._before, self._given, last = _compiled(reference, kinds)
        self._answer = _answer(reference, last)
        self.of_row = _of_row(reference, self._given, last)

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's column, and its classes' columns of probabilities."""
        arrays = self._inputs(columns)
        if self.of_row is not None and len(arrays[0]) == 1:
            value = self.of_row([array.item() for array in arrays])
            return {self.model.name: np.array([value])}
        if len(arrays[0]) <= _BLOCK:
            answer = self._predicted(arrays)
        else:
            starts = range(0, len(arrays[0]), _BLOCK)
            parts = (slice(start, start + _BLOCK) for start in starts)
            answer = np.concatenate(
                [self._predicted([array[part] for array in arrays]) for part in parts]
            )
        if self._of_classes is None:
            return {self.model.name: answer}
        return self._of_classes(answer)

    def _predicted(self, arrays: Sequence[Array]) -> Array:
        return self._answer(self._given(list(arrays)))

    def matrix(self, columns: Columns) -> Array:
        """The two-dimensional array that the final estimator gets, after all its transformers."""
        return to_matrix(self._before(list(self._inputs(columns))))


def _compiled(reference: ReferencePredictor, kinds: Layout) -> tuple[Step, Step, Estimate]:
    """The steps before the final estimator, these with its preprocessing, and the rest of it."""
    estimator = reference.estimator
    *transformers, last = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    before = compile_steps(transformers, kinds)
    own, rest = parted(last)
    given = chain([before, compile_steps(own, before.gives)], kinds)
    return before, given, compile_estimator(rest, given.gives)


def _answer(reference: ReferencePredictor, last: Estimate) -> Answer:
    """The final estimator's answer: one number a row, or a probability a row and class."""
    if not predicts_classes(reference.estimator):
        predict = last.by("predict")
        return lambda block: predict(block).astype(np.float64, copy=False)
    probabilities = last.by("predict_proba")
    if reference.model.classes is not None:
        return lambda block: probabilities(block).astype(np.float64, copy=False)
    return lambda block: np.ascontiguousarray(probabilities(block)[:, 1], dtype=np.float64)


def _of_row(reference: ReferencePredictor, before: Step, last: Estimate) -> RowAnswer | None:
    """The answer for a single row, if it is one number and every step has a form for that."""
    return after_row(before, last.of_row) if reference.model.classes is None else None


@dataclass(frozen=True)
class Compiled:
    """A fitted pipeline with every model compiled that can be."""

    pipeline: Pipeline  # other models keep their reference predictors
    models: tuple[str, ...]  # names of the compiled models
    reasons: Mapping[str, str]  # by model that is not compiled: why

    @classmethod
    def of(cls, pipeline: Pipeline, known: Mapping[str, str] | None = None) -> Compiled:
        """Compile what can be of a fitted pipeline; `known` says of models why not."""
        graph = pipeline.graph
        compiled: dict[str, CompiledPredictor] = {}
        reasons = dict(known or {})
        for name, reference in pipeline.bound.items():
            if name in reasons or not isinstance(reference, ReferencePredictor):
                continue
            kinds = tuple(graph.kind(column) for column in reference.model.inputs)
            try:
                compiled[name] = CompiledPredictor(reference, kinds)
            except NotCompiledError as error:
                reasons[name] = str(error)
            except Exception as error:  # noqa: BLE001 - private parts of libraries change
                reasons[name] = f"compiling it raised {type(error).__name__}: {error}"
        return cls(pipeline.bind(compiled), tuple(compiled), reasons)

    def without(self, reference: Pipeline, reasons: Mapping[str, str]) -> Compiled:
        """The same with the reference predictors of some models, each for a reason."""
        return Compiled(
            self.pipeline.bind({name: reference.bound[name] for name in reasons}),
            tuple(name for name in self.models if name not in reasons),
            {**self.reasons, **reasons},
        )
