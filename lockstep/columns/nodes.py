"""Nodes: what a graph evaluates. Each has inputs, columns that it gives, and a way to compute them.

A field of the record, a decorated function and a model are three kinds of node. The graph treats
all of them alike, so another kind needs only a class of its own.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind, example_array
from lockstep.columns.schema import Field
from lockstep.errors import InputError, NotFittedError

Function = Callable[..., Any]

Computation: TypeAlias = Callable[[Columns], Columns]
"""What a node computes with beside its code: from its inputs, among other columns, to its own."""


class Predictor(Protocol):
    """A fitted model. The object that is compared with golden records is the one that serves.

    Both methods take the model's inputs, in canonical form, among other columns.
    """

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's columns."""

    def matrix(self, columns: Columns, /) -> Array:
        """The two-dimensional array that the final estimator gets, one row a row."""


Bound = Mapping[str, Computation]
"""By node, what it computes with beside its code: of a model, its predictor; of a look-up or
window, a reader of its table's rows."""

NOTHING: Bound = MappingProxyType({})


def location(function: Function) -> str:
    """File and line of a function, such as `transforms/flight_delay.py:42`."""
    code = inspect.unwrap(function).__code__
    return short_location(code.co_filename, code.co_firstlineno)


def short_location(path: str, line: int) -> str:
    """File and line; the last two parts of a path are enough to find it, whatever the machine."""
    parts = path.replace("\\", "/").split("/")
    return f"{'/'.join(parts[-2:])}:{line}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Node(ABC):
    """One step of a graph.

    Attributes:
        name: Its name, which is also the name of its first column where a function or a model gives
            it.
        role: What it is for: `"field"`, `"feature"`, `"lookup"`, `"window"`, `"label"`, `"model"`,
            `"output"`, or another.
        learns: Name of the label that it is fitted to; None for what is not fitted.
        ulps: Largest difference, in units in the last place, at which two computations of its
            columns count as equal; None where it follows from the inputs.
    """

    name: str
    role: str
    inputs: tuple[str, ...] = ()
    input_kinds: tuple[Kind | None, ...] = ()
    learns: str | None = None
    ulps: int | None = None
    function: Function | None = None
    doc: str = ""

    @property
    @abstractmethod
    def gives(self) -> Mapping[str, Kind | None]:
        """Its columns and what each holds; None until it is computed once."""

    @abstractmethod
    def compute(self, known: Columns, bound: Bound) -> Mapping[str, Any]:
        """Compute its columns of some rows: a one-dimensional array for each, one value a row.

        `known` has its inputs, in canonical form and read-only, among other columns.
        """

    @property
    def column(self) -> str:
        """The name of its first column."""
        return next(iter(self.gives))

    @property
    def stands_for(self) -> tuple[str, ...]:
        """The columns that a model uses which names it: its first."""
        return (self.column,)

    @property
    def is_direct(self) -> bool:
        """Whether its only column is what its function returns for its inputs, in order."""
        return False

    @property
    def runs_code(self) -> bool:
        """Whether an author's function or estimator computes its columns, which is given rows."""
        return False

    @property
    def is_canonical(self) -> bool:
        """Whether it computes its columns in canonical form and read-only, by construction."""
        return False

    def example(self, known: Columns) -> Mapping[str, Any]:
        """Compute its columns of three example rows, before there is any data."""
        return self.compute(known, {})

    def inside(self, known: Columns, bound: Bound) -> Array | None:
        """The two-dimensional array that a trace keeps of it, one row a row; None if none."""
        return None

    def budget(self, inherited: int) -> int:
        """The ulps of its columns, given the largest ulps of its inputs."""
        return self.ulps if self.ulps is not None else inherited

    @property
    def title(self) -> str:
        """Its name in a message, such as `Feature speed (transforms/flights.py:42)`."""
        place = f" ({self.location})" if self.location else ""
        return f"{self.role.capitalize()} {self.name}{place}"

    @property
    def location(self) -> str:
        """File and line of its function, such as `transforms/flight_delay.py:42`; or empty."""
        return location(self.function) if self.function is not None else ""


@dataclass(frozen=True, eq=False, kw_only=True)
class FieldNode(Node):
    """A field: given with each row, never computed."""

    field: Field

    @classmethod
    def of(cls, field: Field) -> FieldNode:
        """The node of a field."""
        return cls(name=field.name, role="field", doc=field.doc, field=field)

    @property
    def gives(self) -> Mapping[str, Kind | None]:
        """The field's column."""
        return {self.name: self.field.kind}

    def compute(self, known: Columns, bound: Bound) -> Mapping[str, Any]:
        """Raise an `InputError`: a field that is not given cannot be computed."""
        raise InputError(f"The field {self.name!r} is needed, and it is not given.")

    def example(self, known: Columns) -> Mapping[str, Any]:
        """Values that the field admits, with a missing one if it may be missing."""
        field = self.field
        return {
            self.name: example_array(field.kind, optional=field.optional, choices=field.choices)
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Column(Node):
    """A decorated function and its column; callable like that function."""

    function: Function  # from the arrays of its inputs, in order, to its own
    kind: Kind | None = None  # None where the annotation does not say

    def __post_init__(self) -> None:
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            object.__setattr__(self, name, getattr(self.function, name))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """What its function returns."""
        return self.function(*arrays, **named)

    @property
    def gives(self) -> Mapping[str, Kind | None]:
        """Its one column."""
        return {self.name: self.kind}

    @property
    def is_direct(self) -> bool:
        """Always, for a function's own column."""
        return True

    @property
    def runs_code(self) -> bool:
        """Always."""
        return True

    def compute(self, known: Columns, bound: Bound) -> Mapping[str, Any]:
        """What its function returns."""
        return {self.name: self.function(*map(known.__getitem__, self.inputs))}


@dataclass(frozen=True, eq=False, kw_only=True)
class Model(Column):
    """A decorated function that returns an estimator, and the columns that this predicts."""

    learns: str
    # Labels of a multiclass model, in the order of its probabilities; None for a binary classifier
    # (the column is the probability of True) and a regressor.
    classes: tuple[Any, ...] | None = None
    probabilities: tuple[str, ...] = ()  # names of the classes' columns
    folds: int = 5  # parts of the rows for out-of-fold values

    @property
    def is_direct(self) -> bool:
        """No: its function makes an estimator."""
        return False

    def make(self) -> Any:
        """A new, unfitted estimator."""
        return self.function()

    @property
    def gives(self) -> Mapping[str, Kind | None]:
        """Its column, and its classes' columns of probabilities."""
        return {self.name: self.kind, **dict.fromkeys(self.probabilities, Kind.FLOAT)}

    def compute(self, known: Columns, bound: Bound) -> Mapping[str, Any]:
        """Predict its columns."""
        return self._predictor(bound)(known)

    def example(self, known: Columns) -> Mapping[str, Any]:
        """Made-up predictions."""
        if self.classes is None:
            return {self.name: np.array([0.25, 0.75, 0.75])}
        first, last = self.classes[0], self.classes[-1]
        dtype = (self.kind or Kind.TEXT).dtype
        even = np.full(3, 1.0 / len(self.classes))
        return {self.name: np.array([first, last, last], dtype=dtype)} | dict.fromkeys(
            self.probabilities, even
        )

    def inside(self, known: Columns, bound: Bound) -> Array | None:
        """The matrix that its final estimator gets, after the transformers."""
        return self._predictor(bound).matrix(known)

    def budget(self, inherited: int) -> int:
        """Its own ulps, or those of its inputs if they are larger."""
        return max(self.ulps or 0, inherited)

    def _predictor(self, bound: Bound) -> Predictor:
        predictor = bound.get(self.name)
        if predictor is None:
            raise NotFittedError(
                f"{self.title} is not fitted: call fit(history) of its pipeline, or load a "
                "version from the registry."
            )
        return cast(Predictor, predictor)  # what is bound to a model
