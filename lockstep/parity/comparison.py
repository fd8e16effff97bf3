"""Comparison of two traces: what was compared, and the first column that differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import add
from typing import Any, NamedTuple

import numpy as np

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import PERSONAL, counted, python_value
from lockstep.parity.divergence import (
    ColumnComparison,
    Divergence,
    Example,
    Origin,
    place_of,
)
from lockstep.parity.effect import Effect, effects_of
from lockstep.parity.exactness import Difference, difference
from lockstep.parity.reproducer import Reproducer, value_reproducer
from lockstep.parity.scales import Scales

_EXAMPLES = 5
"""Rows and keys that a result shows: it is stored and displayed in many places, so few."""


@dataclass(frozen=True)
class Keys:
    """The number of some keys, and the first few."""

    count: int = 0
    first: tuple[Any, ...] = ()

    @classmethod
    def of(cls, keys: Sequence[Any]) -> Keys:
        """Count keys, and keep the first few."""
        return cls(len(keys), tuple(keys[:_EXAMPLES]))

    def __str__(self) -> str:
        more = f" and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
        return ", ".join(map(str, self.first)) + more


def how_exactly(compared: Sequence[ColumnComparison]) -> str:
    """How exactly columns agree: `bit for bit`, or within how many ulps where that is allowed."""
    rounded = [column.budget for column in compared if column.ulps]
    within = f"within {max(rounded, default=0)} ulps"
    exact = len(compared) - len(rounded)
    if not rounded:
        return " bit for bit"
    return f", {exact} bit for bit and {len(rounded)} {within}" if exact else f" {within}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of two traces of the same rows, and their first divergence.

    Attributes:
        rows: Rows that were compared: those whose key occurs once in both traces.
        skipped: By column or matrix that need not be compared and was not: why.
        lacking: By column or matrix that had to be compared and could not: why.
        only_expected: Keys that the actual trace lacks.
        repeated: Keys that one of the traces has more than once: their rows can't be matched.
        setting: How the actual trace was computed, where several ways are compared.
        failure: What went wrong besides the values, such as records that were refused.
    """

    rows: int = 0
    compared: tuple[ColumnComparison, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    only_expected: Keys = Keys()
    repeated: Keys = Keys()
    first: Divergence | None = None
    effects: tuple[Effect, ...] = ()
    setting: str = ""
    failure: str | None = None

    def __add__(self, other: Comparison) -> Comparison:
        """The comparison of the rows of both, which compare the same columns.

        Where one of them could not compare its columns, it is that one.
        """
        for part in (self, other):
            if part.first is not None and not part.compared:
                return part
        if not self.rows or not other.rows:
            return self if self.rows else other
        compared = tuple(map(add, self.compared, other.compared))
        first = self.first or other.first
        if first is not None:
            differing = next(
                (each.differing for each in compared if each.column == first.column),
                first.differing,
            )
            first = replace(first, differing=differing, rows=self.rows + other.rows)
        return replace(
            self,
            rows=self.rows + other.rows,
            compared=compared,
            first=first,
            effects=_together(self, other),
        )

    @property
    def ok(self) -> bool:
        """Whether something was compared, nothing is lacking, and all of it agrees."""
        return not self.problems

    @property
    def divergent(self) -> tuple[ColumnComparison, ...]:
        """The columns and matrices that differ, in graph order."""
        return tuple(column for column in self.compared if not column.ok)

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong, in sentences; empty if the comparison is ok."""
        problems = [self.first.summary] if self.first is not None else []
        if self.failure is not None:
            problems.append(self.failure)
        if self.repeated.count:
            problems.append(
                f"keys that occur more than once, so that their rows cannot be matched: "
                f"{self.repeated}"
            )
        if self.only_expected.count:
            problems.append(f"expected rows that are not there: {self.only_expected}")
        problems += [f"`{name}` was not compared: {why}" for name, why in self.lacking.items()]
        if not self.rows and not problems:
            problems.append("nothing was compared: there are no rows")
        if not self.compared and not problems:
            problems.append("nothing was compared: there are no columns in both traces")
        return tuple(problems)

    @property
    def summary(self) -> str:
        """The comparison in one line."""
        return (
            "; ".join(self.problems)
            or f"{_count(self.compared)} in {counted(self.rows, 'row')} agree"
            f"{how_exactly(self.compared)}"
        )


def _together(first: Comparison, second: Comparison) -> tuple[Effect, ...]:
    """What the differences of both do to each output; the worst segment is not known."""
    rows = first.rows + second.rows
    differing: Counter[str] = Counter()
    for effect in (*first.effects, *second.effects):
        differing[effect.output] += effect.differing
    return tuple(Effect(output, rows, count) for output, count in differing.items())


@dataclass(frozen=True)
class ParityReport:
    """The same rows computed in several ways, each compared with what is expected.

    It can be read like one comparison.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a comparison, and every one is ok."""
        return bool(self.comparisons) and all(comparison.ok for comparison in self.comparisons)

    @property
    def first(self) -> Divergence | None:
        """The first divergence in graph order, of all ways."""
        divergences = [
            comparison.first for comparison in self.comparisons if comparison.first is not None
        ]
        return min(divergences, key=lambda divergence: divergence.place, default=None)

    @property
    def settings(self) -> tuple[str, ...]:
        """The ways whose first divergence is in the column of `first`."""
        first = self.first
        return tuple(
            comparison.setting
            for comparison in self.comparisons
            if first is not None
            and comparison.first is not None
            and comparison.first.place == first.place
        )

    @property
    def rows(self) -> int:
        """Rows of the largest comparison."""
        return max((comparison.rows for comparison in self.comparisons), default=0)

    @property
    def compared(self) -> tuple[ColumnComparison, ...]:
        """Each column and matrix once, from the way in which most of its rows differ."""
        worst: dict[tuple[str, bool], ColumnComparison] = {}
        for column in (column for comparison in self.comparisons for column in comparison.compared):
            known = worst.setdefault((column.column, column.is_matrix), column)
            if (column.differing, column.ulps or 0) > (known.differing, known.ulps or 0):
                worst[(column.column, column.is_matrix)] = column
        return tuple(worst.values())

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effect on each output, from the way in which most of its rows differ."""
        worst: dict[str, Effect] = {}
        for effect in (effect for comparison in self.comparisons for effect in comparison.effects):
            if effect.output not in worst or effect.differing > worst[effect.output].differing:
                worst[effect.output] = effect
        return tuple(worst.values())

    @property
    def skipped(self) -> Mapping[str, str]:
        """By column that no way compared: why."""
        compared = {column.column for column in self.compared}
        return {
            name: why
            for comparison in self.comparisons
            for name, why in comparison.skipped.items()
            if name not in compared
        }

    @property
    def summary(self) -> str:
        """The report in one line."""
        if not self.comparisons:
            return "nothing was compared"
        if self.ok:
            settings = ", ".join(comparison.setting for comparison in self.comparisons)
            largest = max(self.comparisons, key=lambda comparison: comparison.rows)
            return f"{largest.summary}, computed {settings}"
        first = self.first
        *ways, last = self.settings or ("",)
        when = f"{', '.join(ways)} or {last}" if ways else last
        parts = [f"{first.summary}; when computed {when}"] if first else []
        parts += [
            f"{comparison.setting}: {comparison.summary}"
            for comparison in self.comparisons
            if not comparison.ok and comparison.first is None
        ]
        return "; ".join(parts)


def impact(comparison: Comparison | ParityReport, graph: Graph) -> str:
    """A sentence about outputs: scores that move, and decisions that flip."""
    if comparison.effects:
        return f"Outputs: {'; '.join(map(str, comparison.effects))}."
    compared = {column.column for column in comparison.compared if not column.is_matrix}
    if comparison.first is not None and _is_hidden(comparison.first.column, compared, graph):
        return "What it does to the outputs is not known: not all columns up to them were computed."
    return "No output that was compared differs."


def _is_hidden(column: str, compared: set[str], graph: Graph) -> bool:
    """Whether a column reaches an output through one that was not computed again."""
    return any(
        column in graph.ancestors(name)
        for output in graph.outputs
        for name in (*graph.ancestors(output), output)
        if name not in compared
    )


def compare(
    expected: Trace,
    actual: Trace,
    graph: Graph,
    *,
    scales: Scales,
    columns: Iterable[str] | None = None,
    version: int | None = None,
    setting: str = "",
) -> Comparison:
    """Compare two traces column by column, in graph order.

    Rows are matched by key, in any order. Floats may differ by their column's budget of ulps, of
    their own size or of the column's scale; all else must be the same, the dtype included (see
    `difference`). The matrix given to a model's estimator comes right before the model's column
    and shares its budget.

    Args:
        actual: The actual trace.
        columns: The columns that must be compared: one that is not in both traces is lacking, and
            so is the matrix of a model among them that only `expected` has. By default, whatever
            both traces have is compared.
        version: The version whose models computed `actual`, for the reproducer to load.

    Returns:
        The comparison. It is not ok if nothing was compared.
    """
    matched = _match(expected, actual)
    norm = _Norm(graph, scales, version)
    required = None if columns is None else frozenset(columns)
    compared: list[ColumnComparison] = []
    skipped: dict[str, str] = {}
    lacking: dict[str, str] = {}
    first: Divergence | None = None
    others: dict[str, Array] = {}
    for part in _parts(expected, actual, graph, required or ()):
        if required is not None and part.column not in required:
            skipped[part.label] = "not asked for"
        elif (reason := part.absence(expected, actual)) is not None:
            is_needed = required is not None and (not part.is_matrix or part.is_in(expected))
            (lacking if is_needed else skipped)[part.label] = reason
        else:
            result, differing = _compare_part(part, matched, norm)
            compared.append(result)
            if result.ok:
                continue
            if first is None:
                first = _divergence(part, result, differing, matched, norm)
            if part.column in graph.outputs and not part.is_matrix:
                others[part.column] = differing.rows
    return Comparison(
        rows=len(matched.expected.keys),
        compared=tuple(compared),
        skipped=skipped,
        lacking=lacking,
        only_expected=matched.only_expected,
        repeated=matched.repeated,
        first=first,
        effects=effects_of(matched.expected.columns, matched.actual.columns, graph.record, others),
        setting=setting,
    )


class _Matched(NamedTuple):
    """Two traces reduced to the rows of the keys that they share, in one order."""

    expected: Trace
    actual: Trace
    only_expected: Keys
    repeated: Keys


class _Norm(NamedTuple):
    """The tolerances of a comparison; see `compare`."""

    graph: Graph
    scales: Scales
    version: int | None

    def budget(self, part: _Part) -> int:
        return self.graph.ulps(part.column) if part.column in self.graph.order else 0

    def scale(self, part: _Part) -> Array | float:
        known = self.scales.matrices if part.is_matrix else self.scales.columns
        return known.get(part.column, 0.0)

    def reproducer(self, part: _Part, row: Trace) -> Reproducer | None:
        """A test of this part at one row of the expected trace."""
        if part.column not in self.graph.order:
            return None
        return value_reproducer(
            self.graph,
            part.column,
            row.columns,
            part.of(row),
            is_matrix=part.is_matrix,
            scale=self.scale(part),
            version=self.version,
        )


class _Part(NamedTuple):
    """A column of a trace, or the matrix given to the estimator of a model."""

    column: str
    is_matrix: bool

    @property
    def label(self) -> str:
        return f"{self.column} (matrix)" if self.is_matrix else self.column

    def is_in(self, trace: Trace) -> bool:
        return self.column in (trace.matrices if self.is_matrix else trace.columns)

    def of(self, trace: Trace) -> Array:
        return trace.matrices[self.column] if self.is_matrix else trace.columns[self.column]

    def absence(self, expected: Trace, actual: Trace) -> str | None:
        """Why it cannot be compared; None if it can."""
        if self.is_in(expected):
            return None if self.is_in(actual) else "not in the actual trace"
        return "not in the expected trace" if self.is_in(actual) else "in neither trace"


def _parts(
    expected: Trace, actual: Trace, graph: Graph, required: Iterable[str]
) -> Iterator[_Part]:
    """All columns and matrices, in graph order; columns that are not in the graph last."""
    for column in dict.fromkeys((*graph.order, *expected.columns, *actual.columns, *required)):
        if column in expected.matrices or column in actual.matrices:
            yield _Part(column, is_matrix=True)
        yield _Part(column, is_matrix=False)


def _match(expected: Trace, actual: Trace) -> _Matched:
    expected_keys, actual_keys = expected.keys.tolist(), actual.keys.tolist()
    counts = chain(Counter(expected_keys).items(), Counter(actual_keys).items())
    repeated = {key for key, count in counts if count > 1}
    row_of = {key: row for row, key in enumerate(actual_keys) if key not in repeated}
    rows = [row for row, key in enumerate(expected_keys) if key in row_of]
    known = {expected_keys[row] for row in rows} | repeated
    return _Matched(
        expected=expected.take(rows),
        actual=actual.take([row_of[expected_keys[row]] for row in rows]),
        only_expected=Keys.of([key for key in expected_keys if key not in known]),
        repeated=Keys.of(sorted(repeated)),
    )


def _compare_part(
    part: _Part, matched: _Matched, norm: _Norm
) -> tuple[ColumnComparison, Difference]:
    expected, actual = part.of(matched.expected), part.of(matched.actual)
    budget = norm.budget(part)
    differing = difference(expected, actual, ulps=budget, scale=norm.scale(part))
    result = ColumnComparison(
        column=part.column,
        is_matrix=part.is_matrix,
        rows=len(expected),
        differing=int(differing.rows.sum()),
        largest=differing.largest,
        ulps=differing.ulps,
        budget=budget,
        forms=differing.forms,
    )
    return result, differing


def _divergence(
    part: _Part, result: ColumnComparison, differing: Difference, matched: _Matched, norm: _Norm
) -> Divergence:
    rows, graph = np.flatnonzero(differing.rows), norm.graph
    inputs = graph.inputs(part.column) if part.column in graph.order else ()
    return Divergence(
        **vars(result),
        place=place_of(graph, part.column, is_matrix=part.is_matrix),
        role=graph.roles.get(part.column, "column"),
        origin=Origin.of(graph, part.column),
        inputs={name: _agrees(name, matched, norm) for name in inputs},
        examples=tuple(_example(part, row, differing, matched, graph) for row in rows[:_EXAMPLES]),
        sides=_sides(int(rows[0]), matched, graph),
        reproducer=norm.reproducer(part, matched.expected.take(rows[:1])),
    )


def _sides(row: int, matched: _Matched, graph: Graph) -> dict[str, tuple[Any, Any]]:
    """Every column that both traces have, at one row."""
    expected, actual = matched.expected.columns, matched.actual.columns
    return {
        name: (_told(graph, name, expected[name][row]), _told(graph, name, actual[name][row]))
        for name in graph.order
        if name in expected and name in actual
    }


def _agrees(column: str, matched: _Matched, norm: _Norm) -> bool | None:
    part = _Part(column, is_matrix=False)
    if part.absence(matched.expected, matched.actual) is not None:
        return None
    return _compare_part(part, matched, norm)[0].ok


def _example(
    part: _Part, row: int, differing: Difference, matched: _Matched, graph: Graph
) -> Example:
    inputs = graph.inputs(part.column)
    expected, actual = part.of(matched.expected)[row], part.of(matched.actual)[row]
    position = None
    if part.is_matrix and expected.shape == actual.shape:
        position = int(differing.cells[row].argmax())
        expected, actual = expected[position], actual[position]
    columns, sources = matched.expected.columns, inputs if part.is_matrix else ()
    return Example(
        key=python_value(matched.expected.keys[row]),
        expected=_told(graph, part.column, expected, *sources),
        actual=_told(graph, part.column, actual, *sources),
        position=position,
        inputs={name: _told(graph, name, columns[name][row]) for name in inputs if name in columns},
    )


def _told(graph: Graph, name: str, value: Any, *sources: str) -> Any:
    """A value of a column, and of what it is made of; what stands for it where that is personal."""
    return python_value(value) if graph.personal.isdisjoint((name, *sources)) else PERSONAL


def _count(compared: Sequence[ColumnComparison]) -> str:
    matrices = sum(part.is_matrix for part in compared)
    columns = len(compared) - matrices
    counts = [(columns, "column", "columns"), (matrices, "matrix", "matrices")]
    return " and ".join(f"{n} {noun if n == 1 else plural}" for n, noun, plural in counts if n)
