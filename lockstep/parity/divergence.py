"""A divergence: a column whose values are not the expected ones, and all that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from lockstep.columns.graph import Graph
from lockstep.columns.plain import counted, plain, show
from lockstep.errors import FunctionError
from lockstep.parity.exactness import BEYOND
from lockstep.parity.reproducer import Reproducer, public_name

Number = TypeVar("Number", int, float)
_MOST_NAMES = 4
"""Inputs that a sentence names; it counts more of them."""


_VERBS = {
    True: ("agrees", "agree"),
    False: ("differs", "differ"),
    None: ("was not compared", "were not compared"),
}


@dataclass(frozen=True)
class Origin:
    """The function that computes a column.

    Attributes:
        function: Its qualified name, such as `transforms.flight_delay.departure_minute`.
        file: Its file, with the directory around it.
    """

    function: str
    file: str
    line: int

    @classmethod
    def of(cls, graph: Graph, column: str) -> Origin | None:
        """The function behind a column; None for a field, or a column that the graph lacks."""
        node = graph.node(column)
        if node is None or node.function is None:
            return None
        file, _, line = node.location.rpartition(":")
        function = node.function
        module = public_name(function.__module__)
        return cls(f"{module}.{function.__qualname__}", file, int(line))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Example:
    """A row at which a column differs."""

    key: Any
    expected: Any  # its expected value; for a matrix, that of the first cell which differs
    actual: Any
    position: int | None = None  # for a matrix, the position of that cell in its row
    # the expected values of the direct inputs
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        place = f", position {self.position}" if self.position is not None else ""
        expected, actual = show(self.expected, most=200), show(self.actual, most=200)
        return f"key {self.key}{place}: expected {expected}, got {actual}"

    def to_json(self) -> dict[str, Any]:
        """As plain data, long texts cut."""
        return {
            "key": _plain(self.key),
            "position": self.position,
            "expected": _plain(self.expected),
            "actual": _plain(self.actual),
            "inputs": {name: _plain(value) for name, value in self.inputs.items()},
        }


def _plain(value: Any) -> Any:
    """A value as plain data; NaN and None differ here."""
    return plain(value, longest=200, nan="NaN")


def place_of(graph: Graph, column: str, *, is_matrix: bool = False) -> int:
    """The place of a column in graph order; a matrix comes right before its model's column."""
    place = graph.order.index(column) if column in graph.order else len(graph.order)
    return 2 * place + (not is_matrix)


@dataclass(frozen=True, kw_only=True)
class ColumnComparison:
    """The comparison of a column, or of the matrix given to the estimator of a model.

    Attributes:
        is_matrix: Whether it is the matrix given to the estimator of that column instead.
        largest: The largest absolute difference of two numbers (seconds for times), if any.
        ulps: The largest distance in ulps; None for anything but floats, and `BEYOND` if a NaN or
            an infinity faces another value.
        budget: Ulps that are allowed.
        forms: What the two arrays hold where that differs, such as `("int64", "float64")`.
    """

    column: str
    is_matrix: bool = False
    rows: int = 0
    differing: int = 0
    largest: float | None = None
    ulps: int | None = None
    budget: int = 0
    forms: tuple[str, str] | None = None

    def __add__(self, other: ColumnComparison) -> ColumnComparison:
        """The comparison of the rows of both."""
        return replace(
            self,
            rows=self.rows + other.rows,
            differing=self.differing + other.differing,
            largest=_larger(self.largest, other.largest),
            ulps=_larger(self.ulps, other.ulps),
            forms=self.forms or other.forms,
        )

    @property
    def ok(self) -> bool:
        """Whether no row differs."""
        return not self.differing


def _larger(first: Number | None, second: Number | None) -> Number | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)


@dataclass(frozen=True, kw_only=True)
class Divergence(ColumnComparison):
    """The first column, in graph order, whose values are not the expected ones.

    Attributes:
        place: Its place in graph order.
        role: That of its node, such as `"field"` or `"feature"`; `"column"` if the graph has no
            such column.
        origin: Its function; None for a field.
        inputs: By direct input, whether it agrees in the same rows; None if that is not known.
        sides: Every column of the first example, expected and actual, in graph order.
        failure: What its function does wrong beside its values, such as raising.
        reproducer: One record, and a test that fails as long as the column differs; None where none
            can be written.
    """

    place: int
    role: str
    origin: Origin | None
    inputs: Mapping[str, bool | None] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    sides: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    failure: str | None = None
    reproducer: Reproducer | None = None

    @property
    def begins_here(self) -> bool:
        """Whether all direct inputs agree: then this function or its environment is at fault."""
        return all(self.inputs.values())

    @property
    def summary(self) -> str:
        """The divergence in one sentence."""
        details = [f"first at {self.examples[0]}"] if self.examples else []
        details += [_clause(self.inputs, agrees) for agrees in dict.fromkeys(self.inputs.values())]
        return "; ".join([f"{self._name} {self._difference}", *details])

    @property
    def _name(self) -> str:
        origin = f" ({self.origin})" if self.origin is not None else ""
        if self.is_matrix:
            return f"the matrix given to the estimator of `{self.column}`{origin}"
        return f"{'field' if self.role == 'field' else 'column'} `{self.column}`{origin}"

    @property
    def _difference(self) -> str:
        if self.failure is not None:
            return self.failure
        forms = f"holds {self.forms[1]} instead of {self.forms[0]} and " if self.forms else ""
        rows = f"{forms}differs in {self.differing:,} of {counted(self.rows, 'row')}"
        if self.budget and self.ulps is not None and self.ulps != BEYOND:
            return f"{rows}, by up to {self.ulps:,} ulp where {self.budget} are allowed"
        return rows

    def to_json(self) -> dict[str, Any]:
        """As plain data of bounded size."""
        return {
            "column": self.column,
            "matrix": self.is_matrix,
            "role": self.role,
            "function": self.origin.function if self.origin else None,
            "file": self.origin.file if self.origin else None,
            "line": self.origin.line if self.origin else None,
            "inputs": dict(self.inputs),
            "begins_here": self.begins_here,
            "rows": self.differing,
            "compared": self.rows,
            "largest": self.largest,
            "ulps": self.ulps if self.ulps != BEYOND else None,
            "budget": self.budget,
            "forms": list(self.forms) if self.forms else None,
            "examples": [example.to_json() for example in self.examples],
            "failure": self.failure,
            "reproducer": asdict(self.reproducer) if self.reproducer else None,
            "summary": self.summary,
        }


def failing(graph: Graph, column: str, failure: str) -> Divergence:
    """The divergence of a column whose function does something wrong beside its values.

    `failure` says what, in words that follow the function's name.
    """
    return Divergence(
        column=column,
        place=place_of(graph, column),
        role=graph.roles.get(column, "column"),
        origin=Origin.of(graph, column),
        failure=failure,
    )


def raising(graph: Graph, error: FunctionError) -> Divergence:
    """The divergence of a column whose function raised, or returned what is no column."""
    cause = error.__cause__
    if isinstance(cause, ValueError) and "read-only" in str(cause):
        return failing(graph, error.column, f"alters its inputs in place: {cause}")
    return failing(graph, error.column, f"cannot be computed: {error}")


def _clause(inputs: Mapping[str, bool | None], agrees: bool | None) -> str:
    """The inputs that agree, differ, or were not compared, in words."""
    names = [name for name, state in inputs.items() if state is agrees]
    singular, plural = _VERBS[agrees]
    if len(names) == 1:
        return f"its input {names[0]} {singular}"
    if len(names) <= _MOST_NAMES:
        return f"its inputs {', '.join(names)} {plural}"
    return f"its {len(names)} inputs {plural}" if agrees else f"{len(names)} of its inputs {plural}"
